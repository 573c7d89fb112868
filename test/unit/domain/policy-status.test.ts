import { describe, expect, it } from '@jest/globals';
import { metricsOf } from '../../../lambdas/domain/metrics.ts';
import { judgePolicy, type PolicyFacts } from '../../../lambdas/domain/policy-status.ts';

const NOW = new Date('2026-01-10T00:00:00Z');
const hoursAgo = (hours: number) => new Date(NOW.getTime() - hours * 3_600_000);
const PROD = 'mgmt-a/clusters/prod';

const LAST_RUN: NonNullable<PolicyFacts['lastRun']> = {
  runId: 'nightly-20260109T230000Z',
  policy: 'nightly',
  slot: '2026-01-09T23:00:00Z',
  finishedAt: '2026-01-09T23:05:00.000Z',
  status: 'succeeded',
  counts: { verified: 1, failed: 0, skipped: 0 },
  unreachable: [],
};
const WELL: PolicyFacts = {
  policy: 'nightly',
  objectiveMilliseconds: 26 * 3_600_000,
  lastRun: LAST_RUN,
  controlPlanes: [{ controlPlane: PROD, newestVerified: hoursAgo(1) }],
  missing: [],
  unserved: [],
  schedule: 'enabled',
  credentials: [{ managementCluster: 'mgmt-a', purpose: 'backup', endAt: hoursAgo(-24 * 90) }],
  outlivedLocks: [],
};

describe('how a policy stands', () => {
  it('is well while every control plane has a verified point within the objective', () => {
    const status = judgePolicy(WELL, NOW);
    expect(status).toMatchObject({ failing: false, oldestVerifiedAgeSeconds: 3600, controlPlanes: 1, problems: [] });
    expect(metricsOf(status)).toEqual({
      oldestVerifiedAge: 3600,
      beyondObjective: 0,
      missing: 0,
      failing: 0,
      credentialsNearExpiry: 0,
      outlivedLocks: 0,
    });
  });

  it('tells of the control plane that is worst off', () => {
    const controlPlanes = [
      { controlPlane: PROD, newestVerified: hoursAgo(1) },
      { controlPlane: 'mgmt-a/clusters/edge', newestVerified: hoursAgo(30) },
    ];
    const status = judgePolicy({ ...WELL, controlPlanes }, NOW);
    expect(status.oldestVerifiedAgeSeconds).toBe(30 * 3600);
    expect(status.problems).toEqual([
      'the newest verified recovery point of mgmt-a/clusters/edge is older than the objective',
    ]);
    expect(metricsOf(status).beyondObjective).toBe(1);
  });

  it('counts the objective itself as met', () => {
    const controlPlanes = [{ controlPlane: PROD, newestVerified: hoursAgo(26) }];
    expect(judgePolicy({ ...WELL, controlPlanes }, NOW).beyondObjective).toEqual([]);
  });

  it('has no age to give while a control plane was never verified, so that no average hides it', () => {
    const controlPlanes = [...WELL.controlPlanes, { controlPlane: 'mgmt-a/clusters/new', newestVerified: null }];
    const status = judgePolicy({ ...WELL, controlPlanes }, NOW);
    expect(status.oldestVerifiedAgeSeconds).toBeNull();
    expect(status.beyondObjective).toEqual([{ controlPlane: 'mgmt-a/clusters/new', ageSeconds: null }]);
  });

  it('takes a verified point from the future for none, and clocks that differ a little for what they are', () => {
    const future = [{ controlPlane: PROD, newestVerified: hoursAgo(-24) }];
    const status = judgePolicy({ ...WELL, controlPlanes: future }, NOW);
    expect(status.problems).toEqual([`${PROD} has no verified recovery point`]);
    expect(metricsOf(status)).toMatchObject({ beyondObjective: 1, oldestVerifiedAge: null });
    const ahead = [{ controlPlane: PROD, newestVerified: hoursAgo(-0.1) }];
    expect(judgePolicy({ ...WELL, controlPlanes: ahead }, NOW).oldestVerifiedAgeSeconds).toBe(0);
  });

  it.each<[string, Partial<PolicyFacts>, string]>([
    [
      'ran in part',
      { lastRun: { ...LAST_RUN, status: 'partial', counts: { verified: 2, failed: 1, skipped: 0 } } },
      'run nightly-20260109T230000Z partial: 2 verified, 1 failed',
    ],
    ['selects nothing', { controlPlanes: [] }, 'it selects no control plane'],
    ['has a disabled schedule', { schedule: 'disabled' }, 'its schedule is disabled'],
    ['has lost its schedule', { schedule: 'missing' }, 'it has no schedule'],
  ])('fails when it %s', (_, facts, problem) => {
    const status = judgePolicy({ ...WELL, ...facts }, NOW);
    expect(status.problems).toEqual([problem]);
    expect(metricsOf(status).failing).toBe(1);
  });

  it('does not fail from its deployment until its first run, of which status tells all the same', () => {
    const status = judgePolicy({ ...WELL, lastRun: null, controlPlanes: [] }, NOW);
    expect(status.problems).toEqual(['it has never been run to its end']);
    expect(metricsOf(status).failing).toBe(0);
    const disabled = judgePolicy({ ...WELL, lastRun: null, controlPlanes: [], schedule: 'disabled' }, NOW);
    expect(metricsOf(disabled).failing).toBe(1);
  });

  it('misses what its run no longer finds, and does not call it empty while a management cluster does not answer', () => {
    const lastSeenAt = '2026-01-08T00:00:00.000Z';
    const status = judgePolicy(
      {
        ...WELL,
        controlPlanes: [],
        lastRun: { ...LAST_RUN, status: 'failed', unreachable: [{ managementCluster: 'mgmt-b', reason: 'away' }] },
        missing: [
          { controlPlane: 'mgmt-c/clusters/prod', why: 'not-served', lastSeenAt },
          { controlPlane: PROD, why: 'gone', lastSeenAt },
        ],
        unserved: [{ managementCluster: 'mgmt-c', platform: 'hypershift', lastSeenAt }],
      },
      NOW,
    );
    expect(status.problems).toEqual([
      'run nightly-20260109T230000Z failed: 1 verified, 1 management cluster not asked',
      'mgmt-c no longer serves the API of hypershift: 1 control plane is no longer backed up',
      `${PROD} is no longer backed up: its management cluster no longer has it`,
    ]);
    expect(metricsOf(status).missing).toBe(3);
  });

  it('warns of credentials that end within 14 days, and of locks whose operation is dead', () => {
    const status = judgePolicy(
      {
        ...WELL,
        credentials: [
          ...WELL.credentials,
          { managementCluster: 'mgmt-b', purpose: 'backup', endAt: hoursAgo(-24 * 13) },
          { managementCluster: 'mgmt-b', purpose: 'restore', endAt: hoursAgo(24) },
        ],
        outlivedLocks: [{ controlPlane: PROD, owner: 'restore-1' }],
      },
      NOW,
    );
    expect(status.problems).toEqual([
      'the credentials of mgmt-b end at 2026-01-23T00:00:00.000Z',
      'the credentials of mgmt-b for restores end at 2026-01-09T00:00:00.000Z',
      `${PROD} is still locked by restore-1, which is dead`,
    ]);
    expect(metricsOf(status)).toMatchObject({ credentialsNearExpiry: 2, outlivedLocks: 1 });
  });
});
