import type { Asl, AslState } from './asl.ts';
import { functionOf } from './asl.ts';
import { alternativesOf } from './choices.ts';
import { assign, misfits, objectShape, select, ShapeError, shapeOfLiteral, union, type Shape } from './shapes.ts';

/** What a step takes and gives. */
export interface StepShapes {
  readonly input: Shape;
  readonly output: Shape;
}

/** Something that would go wrong at run time, in which state and on which way. */
export interface Finding {
  readonly state: string;
  readonly problem: string;
}

export interface Walk {
  readonly findings: readonly Finding[];
  /** What the machine ends with; undefined when no way leads to an end. */
  readonly output: Shape | undefined;
  /** States that some way leads to. */
  readonly reached: ReadonlySet<string>;
}

const TEXT: Shape = { type: 'string' };
const ERROR_OUTPUT = objectShape([
  ['Error', TEXT],
  ['Cause', TEXT],
]);
/** What the intrinsic functions give; of the others nothing is known. */
const GIVEN_BY: Readonly<Record<string, Shape>> = {
  'States.Format': TEXT,
  'States.JsonToString': TEXT,
  'States.UUID': TEXT,
  'States.Hash': TEXT,
  'States.Base64Encode': TEXT,
  'States.Base64Decode': TEXT,
  'States.ArrayContains': { type: 'boolean' },
  'States.ArrayLength': { type: 'integer', minimum: 0 },
  'States.MathAdd': { type: 'integer' },
  'States.MathRandom': { type: 'integer' },
  'States.StringSplit': { type: 'array', items: TEXT },
};
/** A machine whose states grow with each round would be walked for ever. */
const MOST_VISITS = 10_000;

/**
 * Walks every way through a machine, with shapes in place of values: from the machine's input through InputPath, Parameters,
 * ItemSelector, ResultSelector, ResultPath and OutputPath, over what the steps give and what a Catch adds. Finds inputs that
 * a step would not take, paths that lead nowhere, and states that no way leads to.
 */
export function walk(machine: Asl, input: Shape, steps: Readonly<Record<string, StepShapes>>): Walk {
  const findings = new Map<string, Finding>();
  const reached = new Set<string>();
  let visits = 0;
  const note = (state: string, problem: string) => {
    findings.set(`${state} ${problem}`, { state, problem });
  };

  function walkLevel(level: Asl, levelInput: Shape, context: Shape): Shape | undefined {
    const outputs: Shape[] = [];
    const seen = new Set<string>();
    const waiting = [{ name: level.StartAt, given: levelInput }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { name, given } = next;
      const key = `${name} ${JSON.stringify(given)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if ((visits += 1) > MOST_VISITS) throw new Error(`the walk does not end: it is at "${name}" again and again`);
      reached.add(name);
      const state = level.States[name];
      if (state === undefined) {
        note(name, 'there is no such state');
        continue;
      }
      const { ways, output } = visit(name, state, given, context);
      for (const way of ways) waiting.push({ name: way.to, given: way.shape });
      if (output !== undefined) outputs.push(output);
    }
    for (const name of Object.keys(level.States)) if (!reached.has(name)) note(name, 'no way leads to it');
    return outputs.length === 0 ? undefined : union(outputs);
  }

  /** Where it goes on with what; `output` when it ends here. */
  function visit(name: string, state: AslState, given: Shape, context: Shape) {
    const ways: { to: string; shape: Shape }[] = [];
    let output: Shape | undefined;
    const attempt = (what: string, work: () => void) => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof ShapeError)) throw error;
        note(name, `${what}: ${error.message}`);
      }
    };
    for (const { Next, ResultPath } of state.Catch ?? []) {
      attempt('Catch', () => ways.push({ to: Next, shape: atPath(ResultPath, given, ERROR_OUTPUT) }));
    }
    attempt(state.Type, () => {
      const selected = resolvePath(state.InputPath, given, context);
      if (state.Type === 'Choice') {
        for (const { to, shape } of alternativesOf(state, selected)) {
          ways.push({ to, shape: resolvePath(state.OutputPath, shape, context) });
        }
        return;
      }
      if (state.Type === 'Fail') return;
      const result = resultOf(name, state, selected, context);
      if (result === undefined) return;
      const picked = state.ResultSelector === undefined ? result : template(state.ResultSelector, result, context);
      const combined = atPath(state.ResultPath, given, picked);
      const left = resolvePath(state.OutputPath, combined, context);
      if (state.Next !== undefined) ways.push({ to: state.Next, shape: left });
      if (state.End === true || state.Type === 'Succeed') output = left;
    });
    return { ways, output };
  }

  /** undefined when the state can't give anything. */
  function resultOf(name: string, state: AslState, selected: Shape, context: Shape): Shape | undefined {
    if (state.Type === 'Map') return resultOfMap(name, state, selected, context);
    const given = state.Parameters === undefined ? selected : template(state.Parameters, selected, context);
    switch (state.Type) {
      case 'Pass':
        return state.Result === undefined ? given : shapeOfLiteral(state.Result);
      case 'Wait':
        for (const path of [state.SecondsPath, state.TimestampPath]) if (path !== undefined) select(given, path);
        return given;
      case 'Succeed':
        return given;
      case 'Task': {
        const step = steps[functionOf(state) ?? ''];
        if (step === undefined) throw new ShapeError(`there is no step for ${state.Resource ?? 'no resource'}`);
        for (const problem of misfits(given, step.input, 'the input')) note(name, problem);
        return step.output;
      }
      case 'Parallel': {
        const results = (state.Branches ?? []).map((branch) => walkLevel(branch, given, objectShape([])));
        const known = results.filter((result) => result !== undefined);
        if (known.length < results.length) return undefined;
        return { type: 'array', items: union(known), minItems: known.length, maxItems: known.length };
      }
      default:
        throw new ShapeError(`nothing is known of the type ${state.Type}`);
    }
  }

  function resultOfMap(name: string, state: AslState, selected: Shape, context: Shape): Shape | undefined {
    const items = state.ItemsPath === undefined ? selected : select(selected, state.ItemsPath);
    if (items.type !== 'array') throw new ShapeError(`${state.ItemsPath ?? 'its input'} is not sure to be an array`);
    const item = objectShape([
      ['Index', { type: 'integer', minimum: 0 }],
      ['Value', items.items ?? {}],
    ]);
    const itemContext = objectShape([
      ...Object.entries(context.properties ?? {}),
      ['Map', objectShape([['Item', item]])],
    ]);
    const { ItemSelector = state.Parameters, ItemProcessor } = state;
    if (ItemProcessor === undefined) throw new ShapeError(`"${name}" has no ItemProcessor`);
    const given = ItemSelector === undefined ? (items.items ?? {}) : template(ItemSelector, selected, itemContext);
    // Inside, the local engine knows neither the item nor the execution's own input.
    const output = walkLevel(ItemProcessor, given, objectShape([]));
    if (output === undefined) return undefined;
    const { minItems, maxItems } = items;
    return { type: 'array', items: output, ...(minItems && { minItems }), ...(maxItems && { maxItems }) };
  }

  const output = walkLevel(
    machine,
    input,
    objectShape([
      [
        'Execution',
        objectShape([
          ['Input', input],
          ['Name', TEXT],
          ['StartTime', TEXT],
        ]),
      ],
    ]),
  );
  return { findings: [...findings.values()], output, reached };
}

function template(payload: unknown, given: Shape, context: Shape): Shape {
  if (typeof payload !== 'object' || payload === null) return shapeOfLiteral(payload);
  if (Array.isArray(payload)) {
    const parts = payload.map((part) => template(part, given, context));
    return { type: 'array', items: union(parts), minItems: parts.length, maxItems: parts.length };
  }
  return objectShape(
    Object.entries(payload as Record<string, unknown>).map(([name, value]) =>
      name.endsWith('.$') && typeof value === 'string'
        ? [name.slice(0, -2), evaluate(value, given, context)]
        : [name, template(value, given, context)],
    ),
  );
}

/** A path, a path into the context object (`$$.`), or an intrinsic function. */
function evaluate(expression: string, given: Shape, context: Shape): Shape {
  if (expression.startsWith('$')) return resolvePath(expression, given, context);
  for (const [path] of expression.matchAll(/\$\$?(\.[\w-]+|\['[^']+'\]|\[\d+\])+/g)) resolvePath(path, given, context);
  return GIVEN_BY[/^[\w.]+/.exec(expression)?.[0] ?? ''] ?? {};
}

/** InputPath and OutputPath: everything when left out, an empty object for null. */
function resolvePath(path: string | null | undefined, given: Shape, context: Shape): Shape {
  if (path === undefined) return given;
  if (path === null) return objectShape([]);
  return path.startsWith('$$') ? select(context, path.slice(1)) : select(given, path);
}

/** ResultPath: the result alone when left out, nothing of it for null. */
function atPath(path: string | null | undefined, given: Shape, result: Shape): Shape {
  if (path === undefined) return result;
  return path === null ? given : assign(given, path, result);
}
