import { beforeAll, describe, expect, it } from '@jest/globals';
import { TIME_WAS_OVER } from '../../statemachines/description/states.ts';
import { CorruptSnapshotError, LockedError } from '../../lambdas/domain/errors.ts';
import { partName, runId, type Outcome } from '../../lambdas/domain/policy-run.ts';
import { parseAsl, retriesOf, tasksOf } from './asl.ts';
import { loadSteps, type AnySteps } from './machine-steps.ts';
import {
  errorNamed,
  runOutOfTime,
  runScripted,
  type Script,
  type ScriptedMachine,
  type ScriptedRun,
  type ScriptedRunOptions,
} from './scripted-run.ts';
import { formatCoverage, TransitionRecorder, uncovered } from './transitions.ts';

const machine = parseAsl('back-up-fleet');
const tasks = tasksOf(machine);
const INPUT = { policy: 'nightly', slot: '2026-01-02T03:00:00Z' };
const RUN = { ...INPUT, runId: runId(INPUT) };
const FIRST = 'mgmt-a/clusters/first';
const CONTROL_PLANES = [FIRST, 'mgmt-a/clusters/second', 'mgmt-b/clusters/third'];
const POINT = '20260102T030001Z-a1b2';
const COUNTS = { verified: 0, failed: 0, skipped: 0 };

interface FleetRun extends ScriptedRun {
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

let steps: AnySteps;
const recorder = new TransitionRecorder(machine);

/** Where the next part begins in a run that has more pages than one execution. */
const NEXT_PAGE = 2;

/** Two control planes on one page and one on another; mishaps happen to the first one, its page, and the run. */
function scriptedFleet(outcomes: Map<string, Outcome>, nextPage: number | null): ScriptedMachine {
  const pages = [CONTROL_PLANES.slice(0, 2), CONTROL_PLANES.slice(2)];
  return {
    machine,
    input: INPUT,
    steps,
    answers: {
      PlanRun: () => ({ ...RUN, pages: [0, 1], nextPage, controlPlanes: CONTROL_PLANES.length, unreachable: 0 }),
      ReadPage: ({ page }: { page: number }) => ({
        ...RUN,
        page,
        controlPlanes: pages[page]?.map((controlPlane) => ({ controlPlane, platform: 'hypershift' })),
      }),
      LockControlPlane: () => ({ token: 1 }),
      TakeSnapshot: () => ({ id: POINT }),
      VerifyRecoveryPoint: () => ({ verdict: 'verified' }),
      ApplyRetention: () => ({ kept: 1, deleted: 0, deferred: 0, leftovers: { swept: 0, kept: 0, deferred: 0 } }),
      ReleaseControlPlane: () => null,
      RecordPage: (input: { outcomes: readonly Outcome[] }) => {
        for (const outcome of input.outcomes) outcomes.set(outcome.controlPlane, outcome);
        return COUNTS;
      },
      StartNextPart: () => ({ execution: partName({ ...INPUT, firstPage: NEXT_PAGE }) }),
      ReportRun: () => {
        const isWhole = [...outcomes.values()].every(({ outcome }) => outcome === 'verified');
        return { status: isWhole ? 'succeeded' : 'partial', counts: COUNTS };
      },
    },
    affects: (input) => {
      const { controlPlane = FIRST, page = 0 } = input as { controlPlane?: string; page?: number };
      return controlPlane === FIRST && page === 0;
    },
  };
}

/** A run with more pages when the script is about what comes after those of this part. */
async function run(script: Script, options: ScriptedRunOptions = {}): Promise<FleetRun> {
  const outcomes = new Map<string, Outcome>();
  const nextPage = 'StartNextPart' in script ? NEXT_PAGE : null;
  const ended = await runScripted(scriptedFleet(outcomes, nextPage), script, {
    ...options,
    onEvent(event) {
      recorder.record(event);
      options.onEvent?.(event);
    },
  });
  return { ...ended, outcomes };
}

const times = (count: number, error: Error) => Array<Error>(count).fill(error);
const callsOf = ({ calls }: ScriptedRun, functionName: string) =>
  calls.filter((call) => call.functionName === functionName);
const catchesEverything = (task: (typeof tasks)[number]) =>
  task.state.Catch?.some(({ ErrorEquals }) => ErrorEquals.includes('States.ALL')) ?? false;

/** What is noted of the first control plane when a step fails for good; a lock that stays is no failure of the backup. */
const NOTED: Readonly<Record<string, Partial<Outcome>>> = {
  'Lock the control plane': { outcome: 'failed', step: 'Lock the control plane', point: null },
  'Take the snapshot': { outcome: 'failed', step: 'Take the snapshot', point: null },
  'Verify the recovery point': { outcome: 'failed', step: 'Verify the recovery point', point: POINT },
  'Apply retention': { outcome: 'failed', step: 'Apply retention', point: POINT },
  'Release the control plane': { outcome: 'verified', step: null, point: POINT },
};

/** How a run must end in which a task failed for good. */
function expectFailureOf(task: (typeof tasks)[number], ended: FleetRun, error: string, reason: string): void {
  if (!catchesEverything(task)) {
    expect(ended.error?.name).toBe(error);
    return;
  }
  const noted = NOTED[task.name];
  if (noted === undefined) throw new Error(`the test does not say what is noted when "${task.name}" fails`);
  const isFailed = noted.outcome === 'failed';
  expect(ended.error?.name).toBe(isFailed ? 'PolicyRunIncomplete' : undefined);
  expect(ended.outcomes.get(FIRST)).toMatchObject({ ...noted, ...(isFailed && { error, reason }) });
  // Whatever was locked is released, and nobody else suffers.
  expect(callsOf(ended, 'ReleaseControlPlane').length > 0).toBe(task.name !== 'Lock the control plane');
  expect(CONTROL_PLANES.slice(1).map((name) => ended.outcomes.get(name)?.outcome)).toEqual(['verified', 'verified']);
}

let undisturbed: FleetRun;
let inParts: FleetRun;
let skipped: FleetRun;
let notLocked: FleetRun;
const recovered = new Map<string, FleetRun>();
const exhausted = new Map<string, FleetRun>();
const notRetried = new Map<string, FleetRun>();
const late = new Map<string, FleetRun & { abortedEarly: boolean }>();

// All at once, so that the coverage is that of the whole suite whichever test comes first.
beforeAll(async () => {
  steps = await loadSteps(machine);
  undisturbed = await run({});
  inParts = await run({ StartNextPart: [] });
  skipped = await run({ LockControlPlane: [new LockedError('locked by restore-1')] });
  notLocked = await run({ LockControlPlane: [new CorruptSnapshotError('the lock is no lock')] });
  for (const task of tasks) {
    const { name, functionName, state } = task;
    for (const { error, attempts } of retriesOf(task.state)) {
      const key = `${name} ${error}`;
      recovered.set(key, await run({ [functionName]: times(attempts, errorNamed(error)) }));
      exhausted.set(key, await run({ [functionName]: times(attempts + 1, errorNamed(error)) }));
    }
    notRetried.set(name, await run({ [functionName]: times(2, new TypeError('a defect')) }));
    const start = (options: ScriptedRunOptions) => run({ [functionName]: ['hangs'] }, options);
    late.set(name, await runOutOfTime(start, (call) => call.functionName === functionName, state.TimeoutSeconds ?? 0));
  }
}, 60_000);

function found<T>(runs: ReadonlyMap<string, T>, key: string): T {
  const known = runs.get(key);
  if (known === undefined) throw new Error(`there was no run "${key}"`);
  return known;
}

describe('the machine back-up-fleet', () => {
  it('locks, takes, verifies, prunes and releases every control plane, and succeeds', () => {
    expect(undisturbed.error).toBeUndefined();
    expect(undisturbed.calls.map(({ functionName }) => functionName)).toEqual([
      'PlanRun',
      'ReadPage',
      'LockControlPlane',
      'TakeSnapshot',
      'VerifyRecoveryPoint',
      'ApplyRetention',
      'ReleaseControlPlane',
      'RecordPage',
      'ReportRun',
    ]);
    expect([...undisturbed.outcomes.values()]).toEqual(
      CONTROL_PLANES.map((controlPlane) => ({
        controlPlane,
        outcome: 'verified',
        step: null,
        point: POINT,
        error: null,
        reason: null,
      })),
    );
  });

  it('starts the next part when there are more pages, and leaves the report to the last one', () => {
    expect(inParts.error).toBeUndefined();
    const functionNames = inParts.calls.map(({ functionName }) => functionName);
    expect(functionNames.slice(-2)).toEqual(['RecordPage', 'StartNextPart']);
    expect(callsOf(inParts, 'StartNextPart').map(({ input }) => input)).toEqual([{ ...INPUT, firstPage: NEXT_PAGE }]);
    expect(callsOf(inParts, 'ReportRun')).toEqual([]);
  });

  it('skips a control plane that is locked, without trying again or releasing what it does not hold', () => {
    expect(skipped.outcomes.get(FIRST)).toEqual({
      controlPlane: FIRST,
      outcome: 'skipped',
      step: 'Lock the control plane',
      point: null,
      error: 'LockedError',
      reason: 'locked by restore-1',
    });
    expect(callsOf(skipped, 'LockControlPlane')).toHaveLength(1);
    expect(callsOf(skipped, 'ReleaseControlPlane')).toEqual([]);
  });

  it('notes why a control plane could not be locked', () => {
    expect(notLocked.outcomes.get(FIRST)).toMatchObject({ outcome: 'failed', error: 'CorruptSnapshotError' });
  });
});

describe.each(tasks.map((task) => [task.name, task] as const))('the state "%s"', (name, task) => {
  const { functionName } = task;

  it.each(retriesOf(task.state))('tries again after $error, $attempts times and no more', ({ error, attempts }) => {
    const good = found(recovered, `${name} ${error}`);
    expect(callsOf(good, functionName)).toHaveLength(attempts + 1);
    expect(good.error).toBeUndefined();
    expect(good.outcomes).toEqual(undisturbed.outcomes);
    const bad = found(exhausted, `${name} ${error}`);
    expect(callsOf(bad, functionName)).toHaveLength(attempts + 1);
    expectFailureOf(task, bad, error, 'made up');
  });

  it('gives every delivery the same input', () => {
    for (const { error } of retriesOf(task.state)) {
      const inputs = callsOf(found(exhausted, `${name} ${error}`), functionName).map(({ input }) =>
        JSON.stringify(input),
      );
      expect(new Set(inputs).size).toBe(1);
    }
  });

  it('does not try again after a defect', () => {
    const ended = found(notRetried, name);
    expect(callsOf(ended, functionName)).toHaveLength(1);
    expectFailureOf(task, ended, 'TypeError', 'a defect');
  });

  it('is given up and told so when its time is over, not before', () => {
    const ended = found(late, name);
    expect(ended.abortedEarly).toBe(false);
    expect(callsOf(ended, functionName).map(({ signal }) => signal.aborted)).toEqual([true]);
    expectFailureOf(task, ended, 'States.Timeout', TIME_WAS_OVER);
  });
});

describe('the coverage of this suite', () => {
  it('is every state and every transition of the file', async () => {
    const coverage = await recorder.coverage();
    process.stderr.write(formatCoverage('back-up-fleet', coverage));
    expect(uncovered(coverage)).toEqual([]);
  });

  it('would not be whole with the undisturbed run alone', async () => {
    const alone = new TransitionRecorder(machine);
    for (const event of undisturbed.events) alone.record(event);
    const missing = uncovered(await alone.coverage());
    expect(missing).toContain('state "Note that no snapshot was taken"');
    expect(missing).toContain('"Take the snapshot" by Catch[1] to "Note that no snapshot was taken"');
    expect(missing).toContain('"Take the snapshot" by Retry[0] TunnelError to "Take the snapshot"');
    expect(missing).toContain('"Was everything backed up?" by Default to "Some control planes are not backed up"');
    expect(missing).not.toContain('"Take the snapshot" by Next to "Verify the recovery point"');
  });
});
