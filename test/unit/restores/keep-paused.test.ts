import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fenceControlPlaneStep } from '../../../lambdas/handlers/fence-control-plane.ts';
import { stopDatastoreStep } from '../../../lambdas/handlers/stop-datastore.ts';
import type { Progress } from '../../../lambdas/domain/progress.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { keepPaused, readPauseSet } from '../../../lambdas/control-planes/pause.ts';
import type { Site } from '../../../lambdas/control-planes/site.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import type { Hold, Reconcilers } from '../../../lambdas/platforms/reconcilers.ts';
import { readFenceBegun } from '../../../lambdas/restores/records.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { fenceBegunAt, fencedAt, OPERATION, restoreOnPaper, type PaperRestore } from './restore-on-paper.ts';

const TAKEN_UP_BY = 'the operator';
const WAITS = `the pause has to be taken up by ${TAKEN_UP_BY}`;

/** The pauses that are set and what is told where the reconcilers know of these, one look after the other, at 03:00. */
async function keeping(...known: readonly (string | null | undefined)[]) {
  const set: string[] = [];
  const looks = [...known];
  const holdOf = (text: string | null | undefined): Hold | null | undefined =>
    text == null ? text : { text, endsAt: text === 'true' ? null : new Date(text) };
  const reconcilers: Reconcilers = {
    ...hypershift.reconcilers,
    takenUpBy: TAKEN_UP_BY,
    read: () => Promise.resolve(holdOf(looks.shift())),
    hold: (_api, _name, { text }) => {
      set.push(text);
      return Promise.resolve();
    },
  };
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-pause-'));
  try {
    const journal = new Journal(new DirectoryStore(directory), 'restore');
    const ports = { clock: () => new Date('2026-01-02T03:00:00Z'), journal } as unknown as ClusterRunPorts;
    const site = { platform: { reconcilers }, cluster: {}, name: {} } as unknown as Site;
    const look = keepPaused('restore-1', site, ports);
    const told: (string | undefined)[] = [];
    while (looks.length > 0) told.push(await look());
    // Written down, so that nobody takes it for somebody else's.
    expect(await readPauseSet('restore-1', { journal })).toBe(set.at(-1));
    return { set, told };
  } finally {
    await rm(directory, { recursive: true });
  }
}

it.each([
  ['without one', null],
  ['when it ends before a step may have ended', '2026-01-02T03:20:00Z'],
  ['when it is over', '2026-01-01T00:00:00Z'],
])('a pause is set %s, once, and waited for until the reconcilers know', async (_, present) => {
  expect(await keeping(present, present, '2026-01-02T03:30:00Z')).toEqual({
    set: ['2026-01-02T03:30:00Z'],
    told: [WAITS, WAITS, undefined],
  });
});

it.each([
  ['lasts longer than any step', '2026-01-02T03:20:01Z'],
  ['has no end', 'true'],
])('a pause is left as it is that %s', async (_, present) => {
  expect(await keeping(present)).toEqual({ set: [], told: [undefined] });
});

it('a pause that nobody has to take up is set and not waited for', async () => {
  expect(await keeping(undefined)).toEqual({ set: ['2026-01-02T03:30:00Z'], told: [undefined] });
});

describe('a step whose pause is not taken up', () => {
  let restore: PaperRestore;
  let told: Progress[];

  beforeEach(async () => {
    restore = await restoreOnPaper(new Date());
    restore.cluster.takesUpPauses = false;
    Object.assign(restore.cluster.replicas, { 'kube-apiserver': 1, etcd: 1 });
    told = [];
  });
  afterEach(() => restore.remove());

  /** Ports of a person who ends the step as soon as it says something. */
  function impatient(): ClusterRunPorts {
    const interrupt = new AbortController();
    return {
      ...restore.ports,
      signal: interrupt.signal,
      report: (progress) => {
        told.push(progress);
        interrupt.abort(new Error('interrupted by hand'));
      },
    };
  }

  it('says so, ends nothing, can be interrupted, and has noted no fence', async () => {
    const fencing = fenceControlPlaneStep.run(await restore.item('forward'), impatient());
    await expect(fencing).rejects.toMatchObject({ name: 'AbortError' });
    expect(told).toEqual([
      {
        kind: 'waiting',
        phase: 'pause-control-plane',
        text: expect.stringMatching(/^the pause has to be taken up by HyperShift's operator \(namespace hypershift\)/),
      },
    ]);
    expect(restore.cluster.changes).toEqual([expect.stringMatching(/^merge prod .*pausedUntil/)]);
    expect(await readFenceBegun(OPERATION, restore.ports)).toBeUndefined();
  });

  it('says so behind the fence as well, where the former pause does not last long enough', async () => {
    const at = new Date();
    const soon = new Date(Date.now() + 10 * 60_000).toISOString();
    restore.cluster.pausedUntil = soon;
    await restore.after(['fence-control-plane'], { ...fenceBegunAt(at), ...fencedAt(at) });
    const stopping = stopDatastoreStep.run(await restore.item('forward'), impatient());
    await expect(stopping).rejects.toMatchObject({ name: 'AbortError' });
    expect(told).toMatchObject([{ phase: 'stop-datastore', text: expect.stringContaining('has to be taken up') }]);
    expect(restore.cluster.replicas).toMatchObject({ etcd: 1 });
  });
});
