import type { Machine } from './describe-machine.ts';
import { pascalCase } from './pascal-case.ts';
import { ANY_ERROR, TIMEOUT, type Level, type State } from './states.ts';

/**
 * A machine as a flowchart of Mermaid: its steps and choices, dotted the ways after a failure. What is only noted is written on the
 * way, and rounds until a step is done are a mark on the step, so that the picture shows what is done and in which order.
 */
export function pictureOf(machine: Machine): string {
  return ['flowchart TD', ...linesOf(machine, 'End').map((line) => `  ${line}`)].join('\n');
}

/** One line of a state to the next that is drawn; `undefined`: to the end. */
interface Line {
  readonly to: string | undefined;
  readonly text: string;
  readonly isFailure: boolean;
}

function linesOf(level: Level, end: string): string[] {
  const drawn = Object.entries(level.States).filter(([, state]) => isDrawn(level, state));
  const nodes = drawn.flatMap(([name, state]) => nodeOf(level, name, state));
  const lines = drawn.flatMap(([name, state]) => linesFrom(level, state).map((line) => ({ name, ...line })));
  const texts = lines.map(({ name, to, text, isFailure }) => {
    const arrow = isFailure ? '-.->' : '-->';
    return `${idOf(name)} ${arrow}${text === '' ? '' : `|"${text}"|`} ${to === undefined ? end : idOf(to)}`;
  });
  const ends = lines.some(({ to }) => to === undefined) ? [`${end}(("end"))`] : [];
  return [...nodes, ...ends, ...new Set(texts)];
}

function nodeOf(level: Level, name: string, state: State): string[] {
  const id = idOf(name);
  if (state.ItemProcessor !== undefined) {
    const inside = linesOf(state.ItemProcessor, `EndOf${id}`);
    return [`subgraph ${id}["${name}"]`, ...inside.map((line) => `  ${line}`), 'end'];
  }
  switch (state.Type) {
    case 'Choice':
      return [`${id}{"${name}"}`];
    case 'Task':
      return [`${id}["${name}${isRound(level, level.States[state.Next ?? '']) ? ' ↻' : ''}"]`];
    default:
      return [`${id}(["${name}"])`];
  }
}

function linesFrom(level: Level, state: State): Line[] {
  const { Choices = [], Default, Catch = [] } = state;
  const isLast = state.Next === undefined && state.End === undefined;
  const done = isLast ? [] : [lineTo(level, state.Next, '', false)];
  const chosen = Choices.map(({ Next, ...rule }) => lineTo(level, Next, valueOf(rule), false));
  const otherwise = Default === undefined ? [] : [lineTo(level, Default, 'else', false)];
  const caught = Catch.map(({ ErrorEquals: [error = ''], Next }) =>
    lineTo(level, Next, [ANY_ERROR, TIMEOUT].includes(error) ? '' : error, true),
  );
  // What goes on whether it fails or not is no way of its own.
  const apart = caught.filter(({ to, text }) => text !== '' || done.every((line) => line.to !== to));
  return [...done, ...chosen, ...otherwise, ...apart];
}

/** Follows what is not drawn, and collects what it notes as the outcome. */
function lineTo(level: Level, name: string | undefined, text: string, isFailure: boolean): Line {
  const state = level.States[name ?? ''];
  if (name === undefined || state === undefined) return { to: undefined, text, isFailure };
  if (isDrawn(level, state)) return { to: name, text, isFailure };
  const { outcome } = (state.Parameters ?? {}) as { readonly outcome?: string };
  const told = [text, outcome].filter((part) => part !== undefined && part !== '').join(': ');
  return lineTo(level, isRound(level, state) ? state.Choices?.[0]?.Next : state.Next, told, isFailure);
}

function isDrawn(level: Level, state: State): boolean {
  return state.Type !== 'Pass' && state.Type !== 'Wait' && !isRound(level, state);
}

/** The question whether a step is done. */
function isRound(level: Level, state: State | undefined): boolean {
  return level.States[state?.Default ?? '']?.Type === 'Wait';
}

function valueOf(rule: object): string {
  const { IsNull, StringEquals } = rule as { readonly IsNull?: true; readonly StringEquals?: string };
  return IsNull === true ? 'none' : (StringEquals ?? '');
}

/** `PlanTheRestore` for `Plan the restore`: names of states are unique. */
function idOf(name: string): string {
  return pascalCase(
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replace(/-$/, ''),
  );
}
