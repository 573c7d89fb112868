import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import type { Progress } from '../../../lambdas/domain/progress.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { repeatUntilDone } from '../../../lambdas/restores/phases/repeat-until-done.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';

it('tells at once what a step waits for, and whenever that changes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-converge-'));
  try {
    const store = new DirectoryStore(directory);
    const told: Progress[] = [];
    const ports = {
      store,
      journal: new Journal(store, 'restore'),
      locks: { extend: () => Promise.resolve() },
      clock: () => new Date('2026-01-02T03:00:00Z'),
      now: () => 0,
      report: (progress: Progress) => void told.push(progress),
      signal: new AbortController().signal,
    } as unknown as ClusterRunPorts;
    const item = {
      operation: 'restore-1',
      controlPlane: 'mgmt-a/clusters/prod',
      platform: 'hypershift',
      point: '20260102T030001Z-a1b2',
      planSha256: '0'.repeat(64),
      lock: { token: 1 },
    } as const;
    const goal = { step: 'swap-data', direction: 'back', remedy: '' } as const;
    const waits = ['for its image', 'for its node', undefined];
    expect(await repeatUntilDone(item, goal, ports, () => Promise.resolve(waits.shift()))).toEqual({ done: true });
    expect(told.slice(0, 2)).toEqual([
      { kind: 'waiting', phase: 'swap-data-back', text: 'for its image' },
      { kind: 'waiting', phase: 'swap-data-back', text: 'for its node' },
    ]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
