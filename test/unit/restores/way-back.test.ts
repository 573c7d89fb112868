import { afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { fenceControlPlaneStep } from '../../../lambdas/handlers/fence-control-plane.ts';
import { finishRestoreStep } from '../../../lambdas/handlers/finish-restore.ts';
import { planRestoreStep } from '../../../lambdas/handlers/plan-restore.ts';
import { startControlPlaneStep } from '../../../lambdas/handlers/start-control-plane.ts';
import { startDatastoreStep } from '../../../lambdas/handlers/start-datastore.ts';
import { stopDatastoreStep } from '../../../lambdas/handlers/stop-datastore.ts';
import { swapDataStep } from '../../../lambdas/handlers/swap-data.ts';
import { takeSafetyPointStep } from '../../../lambdas/handlers/take-safety-point.ts';
import { judgeAbandonment } from '../../../lambdas/restores/abandon.ts';
import { whyKept } from '../../../lambdas/restores/kept.ts';
import { recordPauseBefore, recordPauseSet } from '../../../lambdas/control-planes/pause.ts';
import { recordSafetyId } from '../../../lambdas/restores/records.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { commandOf } from '../etcd-restore/installed-etcd.ts';
import {
  CONTROL_PLANE,
  fenceBegunAt,
  fencedAt,
  OPERATION,
  restoreOnPaper,
  type PaperRestore,
} from './restore-on-paper.ts';

const PREPARED = ['prepare-data-waiting', 'prepare-data'];
const FENCED = [...PREPARED, 'fence-control-plane-waiting', 'fence-control-plane'];
const STOPPED = [...FENCED, 'stop-datastore-waiting', 'stop-datastore'];
const SWAPPED = [...STOPPED, 'swap-data-waiting', 'swap-data', 'start-datastore-waiting'];
const STARTED = [...SWAPPED, 'start-datastore', 'start-control-plane-waiting'];
const STARTED_AGAIN = ['start-datastore-back', 'start-control-plane-back'];
const STANDING_PAUSE = 'true';

let restore: PaperRestore;

async function killedAfter(steps: readonly string[], documents: object = {}): Promise<void> {
  const at = new Date();
  restore = await restoreOnPaper(at);
  await restore.after(steps, { ...fenceBegunAt(at), ...fencedAt(at), ...documents });
  restore.cluster.pausedUntil = STANDING_PAUSE;
}

function runs(workloads: Readonly<Record<string, number>>): void {
  Object.assign(restore.cluster.replicas, workloads);
}

/** What the clear pod is told of the data of before. */
async function clearedAs(): Promise<string | undefined> {
  await finishRestoreStep.run(await restore.item('back'), restore.ports);
  const clear = restore.cluster.made.find(({ metadata }) => metadata.name.includes('-clear-'));
  return clear && commandOf(clear, 'clear').at(-1);
}

afterEach(async () => {
  await restore.remove();
});

describe('what a restore that is taken back has put aside', () => {
  it('stays while the old data were not put back, abandoned or not', async () => {
    await killedAfter([...SWAPPED, ...STARTED_AGAIN]);
    expect(await whyKept(OPERATION, 'back', restore.ports)).toBe('the data of before were not put back');
    expect(await clearedAs()).toBeUndefined();
  });

  it('stays once the restored API was told to start: its users may have written', async () => {
    await killedAfter([...STARTED, 'swap-data-back']);
    expect(await whyKept(OPERATION, 'back', restore.ports)).toBe('the restored API may have taken writes');
  });

  it('is cleared after it was put back, and never by a pod that may remove an only copy', async () => {
    await killedAfter([...SWAPPED, 'swap-data-back', ...STARTED_AGAIN]);
    expect(await clearedAs()).toBe('only-copy');
  });
});

describe('a restored control plane whose restore was killed before it was compared', () => {
  it('is left to its users by whoever abandons the restore', async () => {
    await killedAfter(STARTED);
    runs({ 'kube-apiserver': 1, etcd: 1 });
    expect(await judgeAbandonment(OPERATION, restore.ports)).toMatchObject({
      way: 'leave',
      breach: 'Deployment clusters-prod/kube-apiserver runs with the restored data',
    });
  });

  it('goes back where no API server runs', async () => {
    await killedAfter(STARTED);
    expect(await judgeAbandonment(OPERATION, restore.ports)).toMatchObject({ way: 'back', breach: undefined });
  });

  it('is not ended by a resume', async () => {
    await killedAfter(STARTED);
    runs({ 'kube-apiserver': 1, etcd: 1 });
    const item = await restore.item('forward');
    for (const step of [fenceControlPlaneStep, stopDatastoreStep, swapDataStep, startDatastoreStep]) {
      expect(await step.run(item, restore.ports)).toEqual({ done: true });
    }
    expect(restore.cluster.changes).toEqual([]);
  });
});

describe('a step that is delivered late', () => {
  it('touches nothing on the way back once the control plane was left to its platform', async () => {
    await killedAfter([...SWAPPED, 'swap-data-back', 'start-datastore-back', 'start-control-plane-back']);
    runs({ 'kube-apiserver': 1, etcd: 1 });
    restore.cluster.pausedUntil = null;
    const item = await restore.item('back');
    await finishRestoreStep.run(item, restore.ports);
    const changes = [...restore.cluster.changes];
    for (const step of [
      fenceControlPlaneStep,
      stopDatastoreStep,
      swapDataStep,
      startDatastoreStep,
      startControlPlaneStep,
    ]) {
      expect(await step.run(item, restore.ports)).toEqual({ done: true });
    }
    expect(restore.cluster.changes).toEqual(changes);
    expect(restore.cluster.annotations).toEqual({ 'lifeboat.io/operation': null });
  });

  it('exchanges nothing once the restore is abandoned, however far it had come', async () => {
    await killedAfter(STOPPED);
    let way: string | undefined;
    restore.cluster.before = async (read) => {
      // It is past "is it abandoned?" and has noted nothing of the exchange yet.
      if (way !== undefined || !read.startsWith('get HostedControlPlane')) return;
      way = 'being judged';
      way = (await planRestoreStep.run({ execution: 'e', request: { abandon: OPERATION } }, restore.ports)).way;
    };
    await expect(swapDataStep.run(await restore.item('forward'), restore.ports)).rejects.toThrow(/being rolled back/);
    expect(way).toBe('start');
    expect(restore.cluster.made).toEqual([]);
  });
});

describe('a restore that is fenced', () => {
  it('is not finished before it was started again: it would be left stopped, without its pause', async () => {
    await killedAfter(SWAPPED);
    await expect(finishRestoreStep.run(await restore.item('back'), restore.ports)).rejects.toThrow(
      /is fenced by restore \S+ and was not started again/,
    );
    expect(restore.cluster.changes).toEqual([]);
  });

  it.each([
    ['ends no API server', fenceControlPlaneStep, 'get Deployment kube-apiserver', ['fence-control-plane-waiting']],
    [
      'ends no datastore',
      stopDatastoreStep,
      'get StatefulSet etcd',
      ['fence-control-plane-waiting', 'fence-control-plane'],
    ],
  ])('%s for a delivery that hung until the restored control plane served', async (_, step, hangsAt, steps) => {
    await killedAfter([...PREPARED, ...steps]);
    runs({ 'kube-apiserver': 1, etcd: 1 });
    let hung = false;
    restore.cluster.before = async (read) => {
      if (read !== hangsAt || hung) return;
      hung = true;
      // Another delivery does the work meanwhile, and all that follows.
      const next = step === fenceControlPlaneStep ? 'stop-datastore-waiting' : 'swap-data-waiting';
      await restore.after([next]);
    };
    await expect(step.run(await restore.item('forward'), restore.ports)).rejects.toThrow(/comes too late/);
    expect(hung).toBe(true);
    expect(restore.cluster.replicas).toEqual({ 'kube-apiserver': 1, etcd: 1 });
  });
});

describe('the pause of a control plane', () => {
  it('that somebody else has set stays when the restore ends', async () => {
    await killedAfter(PREPARED);
    await finishRestoreStep.run(await restore.item('back'), restore.ports);
    expect(restore.cluster.pausedUntil).toBe(STANDING_PAUSE);
  });

  it('goes back to what was found right before the restore set its own', async () => {
    await killedAfter([...FENCED, ...STARTED_AGAIN]);
    const ours = '2026-01-02T03:34:05Z';
    await recordPauseBefore(OPERATION, '2026-01-02T03:10:00Z', restore.ports);
    await recordPauseSet(OPERATION, ours, restore.ports);
    restore.cluster.pausedUntil = ours;
    await finishRestoreStep.run(await restore.item('back'), restore.ports);
    expect(restore.cluster.pausedUntil).toBe('2026-01-02T03:10:00Z');
  });
});

describe('the safety recovery point of an earlier delivery', () => {
  const ID = '20260102T030405Z-ffff';
  const OF_THIS_RESTORE = { id: ID, controlPlane: CONTROL_PLANE, operation: OPERATION, reason: 'safety' };

  /** Runs the step with one recovery point in the store; what it asks of etcd fails. */
  async function takenWith(manifest: object, noted: readonly string[]): Promise<unknown> {
    await killedAfter(FENCED);
    for (const id of noted) await recordSafetyId(OPERATION, id, restore.ports);
    const datastores = [{ name: 'main', kind: 'etcd', revision: 900, warnings: [] }];
    const point = {
      address: { id: ID },
      manifest: { ...OF_THIS_RESTORE, datastores, ...manifest },
      verdict: 'verified',
    };
    const catalogue = {
      find: () => Promise.resolve(point),
      points: () => [point],
      newest: () => Promise.reject(new Error('it is taken anew')),
    };
    const ports = {
      ...restore.ports,
      catalogue,
      random: Math.random,
      toolVersion: randomUUID(),
    } as unknown as ClusterRunPorts;
    return await takeSafetyPointStep.run(await restore.item('forward'), ports);
  }

  it('is the one that the restore has noted', async () => {
    expect(await takenWith({}, [ID])).toMatchObject({ id: ID, verdict: 'verified' });
  });

  it.each([
    ['was not noted by the restore', {}, []],
    ['is no safety recovery point', { reason: 'scheduled' }, [ID]],
    ['is of another control plane', { controlPlane: 'mgmt-z/clusters/other' }, [ID]],
    ['is of another operation', { operation: 'restore-2' }, [ID]],
  ])('does not count when it %s', async (_, manifest, noted) => {
    await expect(takenWith(manifest, noted)).rejects.toThrow();
  });

  it('is compared with the fence again', async () => {
    await expect(takenWith({ datastores: [{ name: 'main', revision: 5000, warnings: [] }] }, [ID])).rejects.toThrow();
  });
});
