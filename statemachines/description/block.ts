import { caughtBy, inTurn, nextOf, type Part } from './parts.ts';
import { ANY_ERROR, targetsOf, type State } from './states.ts';

/** How what was done is undone. */
export interface Undo {
  /** Each a row of parts that a rescue enters where it must (`goTo`), and that is gone through from there to its end. */
  readonly ways: readonly (readonly Part[])[];
  /** Where error and cause are kept when a part of it fails, and what is done then. */
  readonly caught: string;
  readonly stuck: readonly Part[];
}

export interface Block {
  /** What is done, one after the other. */
  readonly parts: readonly Part[];
  readonly undo?: Undo;
  /** What follows on the commit point: none of it, however it fails, is followed by anything of `undo`. */
  readonly committed?: readonly Part[];
  /** What comes last, after success, undo and whatever failure was dealt with. */
  readonly always: readonly Part[];
}

/** Parts with their undo, their commit point and what is always done in the end. */
export function block({ parts, undo, committed = [], always }: Block): Part {
  const [first] = parts;
  const [last] = always;
  if (first === undefined || last === undefined)
    throw new Error('a block needs something to do, and what it always does');
  const out = { Next: last.start };
  return {
    start: first.start,
    states(ways) {
      const after = inTurn(committed, { done: out, out });
      const before = inTurn(parts, { done: after.start, out });
      const back = undo === undefined ? [] : statesOfUndo(undo, out);
      const states = [...before.states, ...after.states, ...back];
      refuseWayBack(states, after.states, back);
      return [...states, ...inTurn(always, ways).states];
    },
  };
}

function statesOfUndo({ ways, caught, stuck }: Undo, out: { readonly Next: string }): [string, State][] {
  const end = inTurn(stuck, { done: out, out });
  const { catchers: failed, states } = caughtBy(
    ANY_ERROR,
    caught,
    nextOf(end.start, 'undo'),
    'Too late on the way back',
  );
  return [...ways.flatMap((parts) => inTurn(parts, { done: out, out, failed }).states), ...states, ...end.states];
}

/** After the commit point, on whatever detour, nothing may come to the way back. */
function refuseWayBack(
  states: readonly (readonly [string, State])[],
  committed: readonly (readonly [string, State])[],
  back: readonly (readonly [string, State])[],
): void {
  const known = new Map(states);
  const undoing = new Set(back.map(([name]) => name));
  const reached = new Set(committed.map(([name]) => name));
  // A Set goes on with what is added to it meanwhile.
  for (const name of reached) {
    if (undoing.has(name)) throw new Error(`"${name}" takes back what was committed`);
    const state = known.get(name);
    for (const target of state === undefined ? [] : targetsOf(state)) reached.add(target);
  }
}
