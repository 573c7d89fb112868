import { expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { keepPaused } from '../../../lambdas/restores/pause.ts';
import type { OpenedRestore } from '../../../lambdas/restores/opened.ts';
import { readPauseSet } from '../../../lambdas/restores/records.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';

/** The pauses that are set where the reconcilers know of this one at 03:00. */
async function setFor(present: string | null): Promise<(string | null)[]> {
  const set: (string | null)[] = [];
  const platform = {
    readPause: () => Promise.resolve(present),
    setPause: (_api: unknown, _name: unknown, pausedUntil: string | null) => {
      set.push(pausedUntil);
      return Promise.resolve();
    },
  };
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-pause-'));
  try {
    const journal = new Journal(new DirectoryStore(directory), 'restore');
    const ports = { clock: () => new Date('2026-01-02T03:00:00Z'), journal } as unknown as ClusterRunPorts;
    const plan = { operation: 'restore-1' };
    await keepPaused({ plan, platform, cluster: {}, name: {} } as unknown as OpenedRestore, ports);
    // Written down, so that nobody takes it for somebody else's.
    expect(await readPauseSet('restore-1', { journal })).toBe(set.at(-1));
    return set;
  } finally {
    await rm(directory, { recursive: true });
  }
}

it.each([
  ['without one', null],
  ['when it ends before a step may have ended', '2026-01-02T03:20:00Z'],
  ['when it is over', '2026-01-01T00:00:00Z'],
])('a pause is set %s', async (_, present) => {
  expect(await setFor(present)).toEqual(['2026-01-02T03:30:00Z']);
});

it.each([
  ['lasts longer than any step', '2026-01-02T03:20:01Z'],
  ['has no end', 'true'],
])('a pause is left as it is that %s', async (_, present) => {
  expect(await setFor(present)).toEqual([]);
});
