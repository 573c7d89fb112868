import { beforeAll, describe, expect, it } from '@jest/globals';
import { TIME_WAS_OVER } from '../../statemachines/description/states.ts';
import { LockedError } from '../../lambdas/domain/errors.ts';
import {
  restoreResultSchema,
  WAYS,
  type RestoreEnd,
  type RestoreResult,
  type Way,
} from '../../lambdas/domain/restore.ts';
import { ANY_ERROR, parseAsl, retriesOf, tasksOf } from './asl.ts';
import { loadSteps, type AnySteps } from './machine-steps.ts';
import {
  errorNamed,
  runOutOfTime,
  runScripted,
  type Script,
  type ScriptedRun,
  type ScriptedRunOptions,
} from './scripted-run.ts';
import { formatCoverage, TransitionRecorder, uncovered } from './transitions.ts';

const machine = parseAsl('restore-control-plane');
const tasks = tasksOf(machine);
const INPUT = {
  operation: 'restore-20260102t030405z-a1b2',
  controlPlane: 'mgmt-a/clusters/prod',
  point: 'latest-verified',
};
const POINT = '20260102T030001Z-a1b2';
const PLAN_SHA256 = 'c0ffee'.padEnd(64, '0');
const TIMES = { startedAt: '2026-01-02T03:04:05Z', doneAt: '2026-01-02T03:04:06Z' };
/** Every failure from the fence on is led back by this step's own failure as well. */
const LAST_STEP_BEFORE_COMMIT = 'StartControlPlane forward';

/** What the machine recorded of its end. */
interface RestoreRun extends ScriptedRun {
  readonly result: RestoreResult | undefined;
}

let steps: AnySteps;
const recorder = new TransitionRecorder(machine);

/** The steps of both directions apart: `SwapData back`. Steps that are not `settled` wait once before they are done. */
async function run(
  script: Script,
  options: ScriptedRunOptions = {},
  unsettled = false,
  way: Way = 'forward',
  stage = 'unfenced',
): Promise<RestoreRun> {
  let result: RestoreResult | undefined;
  const waited = new Set<string>();
  const converge = ({ direction }: { direction: string }, functionName: string) => {
    const name = `${functionName} ${direction}`;
    const done = !unsettled || waited.has(name);
    waited.add(name);
    return { done };
  };
  const answers = {
    PlanRestore: () => ({ ...INPUT, point: POINT, platform: 'hypershift', planSha256: PLAN_SHA256, way, stage }),
    LockControlPlane: () => ({ token: 1 }),
    MarkControlPlane: () => null,
    TakeSafetyPoint: () => ({ id: POINT, reason: null, verdict: 'verified', isComplete: true, ...TIMES }),
    ReleaseControlPlane: () => null,
    ReportRestore: (end: RestoreEnd) => {
      result = restoreResultSchema.parse({
        ...end,
        outcome: way === 'forward' ? end.outcome : 'abandoned',
        finishedAt: TIMES.doneAt,
        safetyPoint: null,
        safetyVerdict: null,
        left: [],
        apiAwayMilliseconds: null,
        phases: [],
        stale: [],
        warnings: [],
        state: [],
      });
      return result;
    },
    ...Object.fromEntries(
      [
        'PrepareData',
        'FenceControlPlane',
        'StopDatastore',
        'SwapData',
        'StartDatastore',
        'StartControlPlane',
        'FinishRestore',
      ].map((name) => [name, (input: never) => converge(input, name)]),
    ),
  };
  const ended = await runScripted({ machine, input: INPUT, steps, answers, affects: () => true, nameOf }, script, {
    ...options,
    onEvent(event) {
      recorder.record(event);
      options.onEvent?.(event);
    },
  });
  return { ...ended, result };
}

function nameOf(functionName: string, input: unknown): string {
  const { direction } = input as { direction?: string };
  return direction === undefined ? functionName : `${functionName} ${direction}`;
}

const times = (count: number, error: Error) => Array<Error>(count).fill(error);

/** A Task, the name of its step in a script, and what must fail before it is come to. */
const SUBJECTS = tasks.map((task) => {
  const { direction } = (task.state.Parameters ?? {}) as { direction?: string };
  const step = direction === undefined ? task.functionName : `${task.functionName} ${direction}`;
  const before: Script =
    task.name === 'Clear away what was prepared'
      ? { 'PrepareData forward': [new TypeError('a defect')] }
      : direction === 'back'
        ? { [LAST_STEP_BEFORE_COMMIT]: [new TypeError('a defect')] }
        : {};
  return { ...task, step, before, isOnTheWayBack: direction === 'back' };
});
type Subject = (typeof SUBJECTS)[number];

/** How the restore ends when a step has failed for good; those not named fail the machine before anything is recorded. */
const OUTCOMES: Readonly<Record<string, RestoreResult['outcome']>> = {
  'Mark the control plane': 'not-begun',
  'Prepare the data': 'not-begun',
  'Fence the control plane': 'rolled-back',
  'Take the safety recovery point': 'rolled-back',
  'Stop the datastore': 'rolled-back',
  'Swap the data': 'rolled-back',
  'Start the datastore': 'rolled-back',
  'Start the control plane': 'rolled-back',
  'Finish the restore': 'unfinished',
  // Its lock expires by itself.
  'Release the control plane': 'restored',
};

const STARTED_AGAIN = ['StartDatastore', 'StartControlPlane', 'FinishRestore'];
const TAKEN_BACK = ['FenceControlPlane', 'StopDatastore', 'SwapData', ...STARTED_AGAIN];

/** What must be undone, in this order, for a failure at each state: behind the fence all, for it may have been done before. */
const WAYS_BACK: Readonly<Record<string, readonly string[]>> = {
  'Prepare the data': ['FinishRestore'],
  'Fence the control plane': TAKEN_BACK,
  'Take the safety recovery point': TAKEN_BACK,
  'Stop the datastore': TAKEN_BACK,
  'Swap the data': TAKEN_BACK,
  'Start the datastore': TAKEN_BACK,
  'Start the control plane': TAKEN_BACK,
};

function expectFailureOf({ name, isOnTheWayBack }: Subject, ended: RestoreRun, error: string, reason: string): void {
  const { result } = ended;
  if (isOnTheWayBack) {
    expect(result).toMatchObject({
      outcome: 'stuck',
      failure: { error: 'TypeError' },
      failureOnTheWayBack: { error, reason },
    });
    // The first error is the one that is raised.
    expect(ended.error?.name).toBe('TypeError');
    return;
  }
  const outcome = OUTCOMES[name];
  if (outcome === undefined) {
    expect([ended.error?.name, result]).toEqual([error, undefined]);
    return;
  }
  if (outcome === 'restored') {
    expect([ended.error, result?.outcome]).toEqual([undefined, 'restored']);
    return;
  }
  expect(result).toMatchObject({ outcome, failure: { step: name, error, reason }, failureOnTheWayBack: null });
  expect(ended.error?.name).toBe(error);
  expect(callsBack(ended)).toEqual(WAYS_BACK[name] ?? []);
  expect(ended.calls.map(({ functionName }) => functionName)).toContain('ReleaseControlPlane');
}

function callsBack({ calls }: ScriptedRun): string[] {
  return calls.flatMap(({ functionName, input }) =>
    (input as { direction?: string }).direction === 'back' ? [functionName] : [],
  );
}

const callsOf = ({ calls }: ScriptedRun, step: string) =>
  calls.filter(({ functionName, input }) => nameOf(functionName, input) === step);
/** How often it is tried again whatever the error is: what takes back or tidies up gives up last. */
const retriesAnyway = ({ state }: Subject) => retriesOf(state).find(({ error }) => error === ANY_ERROR)?.attempts ?? 0;

let undisturbed: RestoreRun;
let unsettled: RestoreRun;
let unsettledBack: RestoreRun;
let unsettledClearing: RestoreRun;
let locked: RestoreRun;
const abandoned = new Map<Way, RestoreRun>();
let marked: RestoreRun;
let markedLater: RestoreRun;
let preparedLater: RestoreRun;
const recovered = new Map<string, RestoreRun>();
const exhausted = new Map<string, RestoreRun>();
const defective = new Map<string, RestoreRun>();
const late = new Map<string, RestoreRun & { abortedEarly: boolean }>();
const withoutCause = new Map<string, RestoreRun>();

beforeAll(async () => {
  steps = await loadSteps(machine);
  undisturbed = await run({});
  unsettled = await run({}, {}, true);
  unsettledBack = await run({ [LAST_STEP_BEFORE_COMMIT]: [new TypeError('a defect')] }, {}, true);
  unsettledClearing = await run({ 'PrepareData forward': [new TypeError('a defect')] }, {}, true);
  for (const way of WAYS) if (way !== 'forward') abandoned.set(way, await run({}, {}, false, way));
  locked = await run({ LockControlPlane: [new LockedError('locked by nightly-1')] });
  marked = await run({ MarkControlPlane: [new LockedError('marked by restore-1 of another store')] });
  markedLater = await run({ MarkControlPlane: [new LockedError('not now')] }, {}, false, 'forward', 'fenced');
  preparedLater = await run({ 'PrepareData forward': [new TypeError('not now')] }, {}, false, 'forward', 'fenced');
  for (const subject of SUBJECTS) {
    const { name, step, before, state } = subject;
    for (const { error, attempts } of retriesOf(state)) {
      const key = `${name} ${error}`;
      recovered.set(key, await run({ ...before, [step]: times(attempts, errorNamed(error)) }));
      exhausted.set(key, await run({ ...before, [step]: times(attempts + 1, errorNamed(error)) }));
    }
    const retries = retriesAnyway(subject);
    const lasting = times(retries + 1, new TypeError('a defect'));
    defective.set(name, await run({ ...before, [step]: lasting }));
    const start = (options: ScriptedRunOptions) => run({ ...before, [step]: ['hangs', ...lasting.slice(1)] }, options);
    const isLate = ({ functionName, input }: { functionName: string; input: unknown }) =>
      nameOf(functionName, input) === step;
    // Step Functions gives no cause.
    const timeouts = times(retries + 1, errorNamed('States.Timeout', ''));
    withoutCause.set(name, await run({ ...before, [step]: timeouts }));
    late.set(name, await runOutOfTime(start, isLate, state.TimeoutSeconds ?? 0));
  }
}, 120_000);

function found<Key extends string, T>(runs: ReadonlyMap<Key, T>, key: Key): T {
  const known = runs.get(key);
  if (known === undefined) throw new Error(`there was no run "${key}"`);
  return known;
}

describe('the machine restore-control-plane', () => {
  it('plans, locks, marks, prepares, fences, keeps what was there, swaps, starts, finishes and releases', () => {
    expect(undisturbed.error).toBeUndefined();
    expect(undisturbed.result).toMatchObject({ outcome: 'restored', failure: null, point: POINT });
    expect(undisturbed.calls.map(({ functionName }) => functionName)).toEqual([
      'PlanRestore',
      'LockControlPlane',
      'MarkControlPlane',
      'PrepareData',
      'FenceControlPlane',
      'TakeSafetyPoint',
      'StopDatastore',
      'SwapData',
      'StartDatastore',
      'StartControlPlane',
      'FinishRestore',
      'ReleaseControlPlane',
      'ReportRestore',
    ]);
  });

  it.each([
    ['forward', () => unsettled, 'restored', 7],
    ['on the way back', () => unsettledBack, 'rolled-back', 6],
    ['while it clears away', () => unsettledClearing, 'not-begun', 1],
  ] as const)('asks again until a step is done, %s', (_, ended, outcome, steps) => {
    expect(ended().result?.outcome).toBe(outcome);
    const direction = outcome === 'restored' ? 'forward' : 'back';
    const calls = ended().calls.filter(({ input }) => (input as { direction?: string }).direction === direction);
    const asked = Map.groupBy(calls, ({ functionName }) => functionName);
    asked.delete('TakeSafetyPoint');
    expect([...asked.values()].map(({ length }) => length)).toEqual(Array(steps).fill(2));
  });

  it('tells every step that reads the plan by which one the restore was begun', () => {
    const without = [undisturbed, unsettledBack, unsettledClearing]
      .flatMap(({ calls }) => calls)
      .filter(({ input }) => (input as { planSha256?: string }).planSha256 !== PLAN_SHA256);
    expect(new Set(without.map(({ functionName }) => functionName))).toEqual(
      new Set(['PlanRestore', 'LockControlPlane']),
    );
  });

  it.each([
    ['back', TAKEN_BACK],
    ['start', STARTED_AGAIN],
    ['leave', ['FinishRestore']],
  ] as const)('goes the way %s when the restore is abandoned, under its lock, and gives the result', (way, steps) => {
    const ended = found(abandoned, way);
    expect(ended.error).toBeUndefined();
    expect(ended.result?.outcome).toBe('abandoned');
    expect(ended.calls.map(({ functionName }) => functionName)).toEqual([
      'PlanRestore',
      'LockControlPlane',
      'MarkControlPlane',
      ...steps,
      'ReleaseControlPlane',
      'ReportRestore',
    ]);
  });

  it('is refused while another operation works on the control plane, by the name of its owner', () => {
    expect(locked.error).toMatchObject({ name: 'LockedError', message: 'locked by nightly-1' });
    expect(locked.calls.map(({ functionName }) => functionName)).toEqual(['PlanRestore', 'LockControlPlane']);
  });
});

describe('a control plane that another Lifeboat has marked', () => {
  it('is not touched at all, and its lock is given back', () => {
    expect(marked.error).toMatchObject({ name: 'LockedError', message: 'marked by restore-1 of another store' });
    expect(marked.result).toMatchObject({ outcome: 'not-begun', failure: { step: 'Mark the control plane' } });
    expect(marked.calls.map(({ functionName }) => functionName)).toEqual([
      'PlanRestore',
      'LockControlPlane',
      'MarkControlPlane',
      'ReleaseControlPlane',
      'ReportRestore',
    ]);
  });
});

describe('a restore that was fenced before and fails before its fence', () => {
  it.each([
    ['marked', () => markedLater, 'LockedError', []],
    ['prepared', () => preparedLater, 'TypeError', ['PrepareData']],
  ] as const)('keeps its lock and clears nothing away when it can not be %s: it may go on later', (...args) => {
    const [, ended, error, more] = args;
    expect(ended().error?.name).toBe(error);
    expect(ended().calls.map(({ functionName }) => functionName)).toEqual([
      'PlanRestore',
      'LockControlPlane',
      'MarkControlPlane',
      ...more,
      'ReportRestore',
    ]);
  });
});

describe.each(SUBJECTS.map((subject) => [subject.name, subject] as const))('the state "%s"', (name, subject) => {
  const { step } = subject;

  it.each(retriesOf(subject.state))('tries again after $error, $attempts times and no more', ({ error, attempts }) => {
    const good = found(recovered, `${name} ${error}`);
    expect(callsOf(good, step)).toHaveLength(attempts + 1);
    const expected = subject.isOnTheWayBack
      ? name === 'Clear away what was prepared'
        ? 'not-begun'
        : 'rolled-back'
      : 'restored';
    expect(good.result?.outcome).toBe(expected);
    const bad = found(exhausted, `${name} ${error}`);
    expect(callsOf(bad, step)).toHaveLength(attempts + 1);
    expectFailureOf(subject, bad, error, 'made up');
  });

  it('gives every delivery the same input', () => {
    for (const { error } of retriesOf(subject.state)) {
      const inputs = callsOf(found(exhausted, `${name} ${error}`), step).map(({ input }) => JSON.stringify(input));
      expect(new Set(inputs).size).toBe(1);
    }
  });

  it(`tries again ${retriesAnyway(subject)} times after a defect`, () => {
    const ended = found(defective, name);
    expect(callsOf(ended, step)).toHaveLength(retriesAnyway(subject) + 1);
    expectFailureOf(subject, ended, 'TypeError', 'a defect');
  });

  it('is given up and told so when its time is over, not before', () => {
    const ended = found(late, name);
    expect(ended.abortedEarly).toBe(false);
    const retries = retriesAnyway(subject);
    expect(callsOf(ended, step).map(({ signal }) => signal.aborted)).toEqual([
      true,
      ...Array<boolean>(retries).fill(false),
    ]);
    const [error, reason] = retries === 0 ? ['States.Timeout', TIME_WAS_OVER] : ['TypeError', 'a defect'];
    expectFailureOf(subject, ended, error, reason);
  });

  it('has a reason to tell even where its time is over each time, of which nobody says why', () => {
    expectFailureOf(subject, found(withoutCause, name), 'States.Timeout', TIME_WAS_OVER);
  });
});

describe('the coverage of this suite', () => {
  it('is every state and every transition of the file', async () => {
    const coverage = await recorder.coverage();
    process.stderr.write(formatCoverage('restore-control-plane', coverage));
    expect(uncovered(coverage)).toEqual([]);
  });
});
