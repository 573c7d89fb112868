import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { runResultSchema, type RunResult } from '../../../lambdas/domain/policy-run.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'policy-run';
const BROKEN = `mgmt-a/${NAMESPACE}/broken`;
const WHOLE = [`mgmt-a/${NAMESPACE}/prod`, `mgmt-b/${NAMESPACE}/edge`];
const POLICIES = {
  nightly: { select: { namespaces: [NAMESPACE] }, schedule: '@daily', retention: { last: 2, minimumVerified: 2 } },
};

let hosted: readonly HostedCluster[];
let workspace: Workspace;

beforeAll(async () => {
  const bed = await sharedBed();
  const [first, second] = bed.clusters;
  if (second === undefined) throw new Error('the bed has one management cluster only');
  const plan = { namespace: NAMESPACE, members: 1, etcdVersion: '3.6.5' } as const;
  hosted = await Promise.all([
    plantHostedCluster(first, { ...plan, name: 'prod' }),
    plantHostedCluster(first, { ...plan, name: 'broken' }),
    plantHostedCluster(second, { ...plan, name: 'edge' }),
  ]);
  await first.kubectl(['delete', 'secret', '--namespace', NAMESPACE, 'broken-pull-secret']);
  workspace = await directoryWorkspace(bed, {}, POLICIES);
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
  await Promise.all(hosted.map(retireHostedCluster));
}, SETUP_TIMEOUT_MILLISECONDS);

/** Runs the policy for a slot; `stderr` is what was told meanwhile. */
async function run(slot: string): Promise<{ exitCode: number; result: RunResult; stderr: string }> {
  const { exitCode, stdout, stderr } = await workspace.run(['run', 'nightly', '--slot', slot, '--json']);
  return { exitCode, result: runResultSchema.parse(JSON.parse(stdout)), stderr };
}

async function listPoints(): Promise<{ id: string; controlPlane: string }[]> {
  return ((await workspace.json(['list'])) as { recoveryPoints: { id: string; controlPlane: string }[] })
    .recoveryPoints;
}

describe('a policy over two management clusters, with one control plane of three broken', () => {
  it('gives two verified points and one clear failure; the same slot again adds nothing', async () => {
    const { exitCode, result, stderr } = await run('2026-01-01T03:00:00Z');
    // As a backup of the broken one alone has it: trying again changes nothing.
    expect(exitCode).toBe(2);
    expect(result).toMatchObject({
      status: 'partial',
      counts: { verified: 2, failed: 1, skipped: 0 },
      unreachable: [],
    });
    const failed = result.outcomes.filter(({ outcome }) => outcome === 'failed');
    expect(failed).toEqual([
      {
        controlPlane: BROKEN,
        outcome: 'failed',
        step: 'Take the snapshot',
        point: null,
        error: 'IdentityIncompleteError',
        reason: expect.stringContaining('broken-pull-secret') as unknown,
      },
    ]);
    expect(stderr.match(/RecoveryPointVerified/g)).toHaveLength(2);
    expect(stderr).toContain('PolicyRunFinished nightly-20260101T030000Z');

    const points = await listPoints();
    expect(points.map(({ controlPlane }) => controlPlane).sort()).toEqual(WHOLE);
    const again = await run('2026-01-01T03:00:00Z');
    expect(again.result).toEqual(result);
    expect(await listPoints()).toEqual(points);
  }, 180_000);

  it('keeps what its retention says, and what is pinned', async () => {
    const [oldest] = (await listPoints()).filter(({ controlPlane }) => controlPlane === WHOLE[0]);
    await workspace.json(['pin', oldest?.id ?? '']);
    await run('2026-01-02T03:00:00Z');
    await run('2026-01-03T03:00:00Z');
    const left = Map.groupBy(await listPoints(), ({ controlPlane }) => controlPlane);
    expect(left.get(WHOLE[0] ?? '')).toHaveLength(3);
    expect(left.get(WHOLE[1] ?? '')).toHaveLength(2);

    await workspace.json(['unpin', oldest?.id ?? '']);
    const planned = await workspace.run(['prune', 'nightly', '--dry-run']);
    expect(planned.stdout).toMatch(new RegExp(`${oldest?.id ?? ''} \\s+delete\\s+no\\s+rule\\s+keeps\\s+it`));
    expect(await listPoints()).toHaveLength(5);
    await workspace.json(['prune', 'nightly']);
    expect(await listPoints()).toHaveLength(4);
    expect((await listPoints()).map(({ id }) => id)).not.toContain(oldest?.id);
  }, 300_000);

  it('skips a control plane at which another operation is at work, with its name', async () => {
    const store = new DirectoryStore(join(workspace.directory, 'recovery-points'));
    const locks = new Locks(store);
    const [name = ''] = WHOLE;
    const lock = await locks.acquire(controlPlaneLock(name), 'restore-1', `restores ${name}`, 600_000);
    const { result } = await run('2026-01-04T03:00:00Z');
    await locks.release(lock);
    expect(result.counts).toEqual({ verified: 1, failed: 1, skipped: 1 });
    expect(result.outcomes.find(({ outcome }) => outcome === 'skipped')).toMatchObject({
      controlPlane: name,
      error: 'LockedError',
      reason: expect.stringContaining(`restore-1 (restores ${name})`) as unknown,
    });
  }, 180_000);
});
