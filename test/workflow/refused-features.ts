import { functionOf, statesOf, type Asl, type AslState, type ChoiceRule } from './asl.ts';

/** Something in a machine that would be another thing on the command line than in Step Functions. */
export interface Refusal {
  /** Empty for the machine itself. */
  readonly state: string;
  readonly feature: string;
}

/**
 * What aws-local-stepfunctions 3.0.0 (`build/main.node.esm.js`) acts on; every other field it passes over in silence:
 * JSONata, Assign, heartbeats, Credentials, readers, writers and tolerated failures of Maps. Two that it knows are left out
 * because `bin/local/machine.ts` and the walk do not: TimeoutSecondsPath, and Iterator, the old name of ItemProcessor.
 */
const FLOW = ['Next', 'End', 'InputPath', 'OutputPath'];
const RESULT = ['ResultPath', 'ResultSelector', 'Retry', 'Catch'];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Task: [...FLOW, ...RESULT, 'Resource', 'Parameters', 'TimeoutSeconds'],
  Map: [...FLOW, ...RESULT, 'ItemsPath', 'ItemSelector', 'ItemProcessor', 'MaxConcurrency'],
  Parallel: [...FLOW, ...RESULT, 'Parameters', 'Branches'],
  Pass: [...FLOW, 'Parameters', 'Result', 'ResultPath'],
  Wait: [...FLOW, 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  Choice: ['InputPath', 'OutputPath', 'Choices', 'Default'],
  Succeed: ['InputPath', 'OutputPath'],
  Fail: ['Error', 'ErrorPath', 'Cause', 'CausePath'],
};
const MACHINE_FIELDS = ['Comment', 'StartAt', 'States'];
const PROCESSOR_MODE = JSON.stringify({ Mode: 'INLINE' });
const RETRIER_FIELDS = [
  'ErrorEquals',
  'IntervalSeconds',
  'MaxAttempts',
  'BackoffRate',
  'MaxDelaySeconds',
  'JitterStrategy',
];
const CATCHER_FIELDS = ['ErrorEquals', 'Next', 'ResultPath'];

/** `IntrinsicFunctionEvaluation.ts`; another name ends the execution with a TypeError. */
export const INTRINSIC_FUNCTIONS: readonly string[] = [
  ...['Array', 'ArrayContains', 'ArrayGetItem', 'ArrayLength', 'ArrayPartition', 'ArrayRange', 'ArrayUnique'],
  ...['Base64Decode', 'Base64Encode', 'Format', 'Hash', 'JsonMerge', 'JsonToString', 'MathAdd', 'MathRandom'],
  ...['StringSplit', 'StringToJson', 'UUID'],
].map((name) => `States.${name}`);

/** All that the local engine would ignore or do otherwise. */
export function refusedFeatures(machine: Asl): Refusal[] {
  return [
    ...machineRefusals(machine, [...MACHINE_FIELDS, 'TimeoutSeconds']).map((feature) => ({ state: '', feature })),
    ...statesOf(machine).flatMap(([state, definition]) =>
      stateRefusals(definition, isTopLevel(machine, definition)).map((feature) => ({ state, feature })),
    ),
  ];
}

function stateRefusals(state: AslState, topLevel: boolean): string[] {
  const allowed = FIELDS[state.Type];
  if (allowed === undefined) return [`Type ${state.Type}`];
  return [
    ...otherFields(state, ['Type', 'Comment', ...allowed]),
    ...resourceRefusals(state),
    ...(state.Retry ?? []).flatMap((retrier) => otherFields(retrier, RETRIER_FIELDS)),
    ...(state.Catch ?? []).flatMap((catcher) => otherFields(catcher, CATCHER_FIELDS)),
    ...[state, ...(state.Catch ?? [])].flatMap(({ ResultPath }) => resultPathRefusals(ResultPath)),
    ...processorRefusals(state.ItemProcessor),
    ...(state.Branches ?? []).flatMap((branch) => machineRefusals(branch, MACHINE_FIELDS)),
    ...(state.Choices ?? []).flatMap(ruleRefusals),
    // `if (this.stateDefinition.Result)` takes its input instead.
    ...('Result' in state && !state.Result ? [`Result ${JSON.stringify(state.Result)}`] : []),
    ...expressionRefusals(state, topLevel),
  ];
}

function resourceRefusals(state: AslState): string[] {
  return state.Type === 'Task' && functionOf(state) === undefined ? [`Resource ${state.Resource ?? ''}`] : [];
}

function processorRefusals(processor: Asl | undefined): string[] {
  if (processor === undefined) return [];
  const { ProcessorConfig, ...level } = processor as Asl & { readonly ProcessorConfig?: unknown };
  const mode = ProcessorConfig === undefined ? PROCESSOR_MODE : JSON.stringify(ProcessorConfig);
  return [...machineRefusals(level, MACHINE_FIELDS), ...(mode === PROCESSOR_MODE ? [] : [`ProcessorConfig ${mode}`])];
}

function machineRefusals(machine: Asl, allowed: readonly string[]): string[] {
  return otherFields(machine, allowed);
}

/** `path.replace("$.", "")`: of `$` alone or of `$['…']` it makes a property named `$`. */
function resultPathRefusals(path: string | null | undefined): string[] {
  return typeof path === 'string' && !/^(\$\.|[^$[])[^$[]*$/.test(path) ? [`ResultPath ${path}`] : [];
}

/** `IsPresent && value !== undefined`: with `false` it is never true. */
function ruleRefusals(rule: ChoiceRule): string[] {
  const inverted = Object.entries(rule).filter(([name, operand]) => name.startsWith('Is') && operand !== true);
  const nested = [...(rule.And ?? []), ...(rule.Or ?? []), ...(rule.Not === undefined ? [] : [rule.Not])];
  return [
    ...otherFields(
      rule,
      Object.keys(rule).filter((name) =>
        /^(Variable|Next|Comment|And|Or|Not|Is\w+|(String|Numeric|Boolean|Timestamp)\w+)$/.test(name),
      ),
    ),
    ...inverted.map(([name, operand]) => `${name} ${JSON.stringify(operand)}`),
    ...nested.flatMap(ruleRefusals),
  ];
}

/** Paths and functions in the payload templates, at whatever depth. */
function expressionRefusals(state: AslState, topLevel: boolean): string[] {
  const { Parameters, ResultSelector, ItemSelector, InputPath, OutputPath, ItemsPath } = state;
  const expressions = [
    ...[Parameters, ResultSelector].flatMap(expressionsIn).map((text) => ({ text, item: false })),
    ...expressionsIn(ItemSelector).map((text) => ({ text, item: true })),
    ...[InputPath, OutputPath, ItemsPath].flatMap((text) => (typeof text === 'string' ? [{ text, item: false }] : [])),
  ];
  return expressions.flatMap(({ text, item }) => [
    ...[...text.matchAll(/\$\$[\w.[\]']*/g)]
      .map(([path]) => path)
      .filter((path) => !isKnownContext(path, item, topLevel)),
    ...[...text.matchAll(/\bStates\.\w+(?=\()/g)]
      .map(([name]) => name)
      .filter((name) => !INTRINSIC_FUNCTIONS.includes(name)),
  ]);
}

/**
 * The context object holds the execution's name, input and start (`bin/local/machine.ts` gives them), which inside a Map are those of the iteration; the item of a Map
 * is known to its ItemSelector alone.
 */
function isKnownContext(path: string, item: boolean, topLevel: boolean): boolean {
  if (/^\$\$\.Map\.Item\.(Value|Index)\b/.test(path)) return item;
  return topLevel && /^\$\$\.Execution\.(Input|Name|StartTime)\b/.test(path);
}

function expressionsIn(payload: unknown): string[] {
  if (typeof payload !== 'object' || payload === null) return [];
  return Object.entries(payload).flatMap(([name, value]: [string, unknown]) =>
    name.endsWith('.$') && typeof value === 'string' ? [value] : expressionsIn(value),
  );
}

function otherFields(object: object, allowed: readonly string[]): string[] {
  return Object.keys(object).filter((name) => !allowed.includes(name));
}

function isTopLevel(machine: Asl, state: AslState): boolean {
  return Object.values(machine.States).includes(state);
}
