import { describe, expect, it } from '@jest/globals';
import validate from 'asl-validator';
import { loadMachine, runMachine, type Steps } from '../../bin/local/machine.ts';
import { CorruptSnapshotError, LockedError, TunnelError } from '../../lambdas/domain/errors.ts';
import type { Outcome } from '../../lambdas/domain/policy-run.ts';

const RUN = { runId: 'nightly-20260102T030000Z', policy: 'nightly', slot: '2026-01-02T03:00:00Z' };
const CONTROL_PLANES = ['mgmt-a/clusters/one', 'mgmt-a/clusters/two'];

/** What a step does for one control plane, in order of its deliveries; afterwards it does what it usually does. */
type Script = Readonly<Record<string, readonly Error[]>>;

/** Runs the machine on two control planes; for the first one steps fail as scripted. */
async function run(script: Script) {
  const calls: string[] = [];
  const left = new Map(Object.entries(script).map(([step, errors]) => [step, [...errors]]));
  let outcomes: readonly Outcome[] = [];
  const usual: Record<string, (input: never) => unknown> = {
    PlanRun: () => ({ ...RUN, pages: [0], controlPlanes: 2, unreachable: 0 }),
    ReadPage: () => ({
      ...RUN,
      page: 0,
      controlPlanes: CONTROL_PLANES.map((controlPlane) => ({ controlPlane, platform: 'hypershift' })),
    }),
    LockControlPlane: () => ({ token: 1 }),
    TakeSnapshot: () => ({ id: '20260102T030001Z-a1b2' }),
    VerifyRecoveryPoint: () => ({ verdict: 'verified' }),
    ApplyRetention: () => ({ kept: 1, deleted: 0, deferred: 0 }),
    ReleaseControlPlane: () => null,
    RecordPage: (input: { outcomes: readonly Outcome[] }) => {
      ({ outcomes } = input);
      return { verified: 0, failed: 0, skipped: 0 };
    },
    ReportRun: () => {
      const status = outcomes.every(({ outcome }) => outcome === 'verified') ? 'succeeded' : 'partial';
      return { status, counts: { verified: 0, failed: 0, skipped: 0 } };
    },
  };
  const steps: Steps<undefined> = Object.fromEntries(
    Object.entries(usual).map(([name, answer]) => [
      name,
      {
        run: (input: unknown) => {
          const { controlPlane } = input as { controlPlane?: string };
          if (controlPlane !== CONTROL_PLANES[1]) {
            calls.push(name);
            const error = left.get(name)?.shift();
            if (error !== undefined) return Promise.reject(error);
          }
          return Promise.resolve(answer(input as never));
        },
      },
    ]),
  );
  const machine = loadMachine('back-up-fleet');
  const ended = await runMachine(machine, RUN, steps, () => undefined, { retryPauseMilliseconds: 0 }).then(
    () => 'succeeded',
    () => 'failed',
  );
  return { ended, calls, first: outcomes[0], second: outcomes[1] };
}

const forEver = (error: Error) => Array<Error>(10).fill(error);

describe('the machine back-up-fleet', () => {
  it('is valid Amazon States Language, every Task with a timeout', async () => {
    const machine = JSON.stringify(loadMachine('back-up-fleet'));
    const deployed = machine.replace(/\$\{\w+\}/g, 'arn:aws:lambda:eu-central-1:123456789012:function:step');
    expect(await validate(JSON.parse(deployed))).toMatchObject({ isValid: true });
    expect(machine.match(/"Type":"Task"/g)?.length).toBe(
      machine.match(/"TimeoutSeconds":\d+,"(Retry|ResultPath|Parameters|Comment)"/g)?.length,
    );
  });

  it('locks, takes, verifies, prunes and releases every control plane, and succeeds', async () => {
    const { ended, calls, first } = await run({});
    expect(ended).toBe('succeeded');
    expect(calls).toEqual([
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
    expect(first).toEqual({
      controlPlane: CONTROL_PLANES[0],
      outcome: 'verified',
      step: null,
      point: '20260102T030001Z-a1b2',
      error: null,
      reason: null,
    });
  });

  it('tries again what was not ready', async () => {
    const { ended, calls, first } = await run({ TakeSnapshot: [new TunnelError('cut'), new TunnelError('cut')] });
    expect(ended).toBe('succeeded');
    expect(calls.filter((name) => name === 'TakeSnapshot')).toHaveLength(3);
    expect(first?.outcome).toBe('verified');
  });

  it.each([
    ['LockControlPlane', new TunnelError('cut'), 4, 'Lock the control plane', false],
    ['TakeSnapshot', new TunnelError('cut'), 4, 'Take the snapshot', true],
    ['VerifyRecoveryPoint', new CorruptSnapshotError('a page is damaged'), 1, 'Verify the recovery point', true],
    ['ApplyRetention', new TypeError('a defect'), 1, 'Apply retention', true],
  ] as const)(
    'notes that %s failed, releases what it locked, and goes on',
    async (name, error, attempts, step, locked) => {
      const { ended, calls, first, second } = await run({ [name]: forEver(error) });
      expect(ended).toBe('failed');
      expect(calls.filter((called) => called === name)).toHaveLength(attempts);
      expect(calls.includes('ReleaseControlPlane')).toBe(locked);
      expect(first).toMatchObject({ outcome: 'failed', step, error: error.name, reason: error.message });
      expect(second?.outcome).toBe('verified');
    },
  );

  it('skips a control plane that is locked, without trying again', async () => {
    const { calls, first } = await run({ LockControlPlane: forEver(new LockedError('locked by restore-1')) });
    expect(calls.filter((called) => called === 'LockControlPlane')).toHaveLength(1);
    expect(first).toMatchObject({ outcome: 'skipped', error: 'LockedError', reason: 'locked by restore-1' });
  });

  it('keeps the outcome when the lock cannot be released', async () => {
    const { ended, first } = await run({ ReleaseControlPlane: forEver(new TypeError('a defect')) });
    expect(ended).toBe('succeeded');
    expect(first?.outcome).toBe('verified');
  });

  it('fails as a whole when it cannot be planned', async () => {
    const { ended, calls } = await run({ PlanRun: forEver(new TypeError('a defect')) });
    expect({ ended, calls }).toEqual({ ended: 'failed', calls: ['PlanRun'] });
  });
});
