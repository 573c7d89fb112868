import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { operations } from '../../../bin/commands/operations.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { operationLock } from '../../../lambdas/domain/operation.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-operations-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

it('lists restores whose plans another version of Lifeboat has written, and no runs of policies', async () => {
  const store = new DirectoryStore(directory);
  const journal = new Journal(store, 'restore');
  const plan = {
    kind: 'restore',
    controlPlane: 'mgmt-a/clusters/prod',
    point: '20260102T030001Z-a1b2',
    plannedAt: '2026-01-02T03:04:05.000Z',
    unheardOf: {},
  };
  await journal.record('restore-1', 'plan', z.looseObject({}), plan);
  await journal.record('restore-1', 'steps/prepare-data-waiting', z.looseObject({}), {});
  await journal.record('restore-2', 'plan', z.looseObject({}), plan);
  await journal.record('restore-2', 'result', z.looseObject({}), { outcome: 'restored', unheardOf: 1 });
  await journal.record('restore-3', 'plan', z.looseObject({}), plan);
  const former = new Journal(store, 'backup');
  await former.record('nightly-1', 'plan', z.looseObject({}), { pages: 1 });
  await former.record('restore-0', 'plan', z.looseObject({}), plan);
  await former.record('restore-2', 'plan', z.looseObject({}), plan);
  await journal.record('restore-4', 'plan', z.looseObject({}), plan);
  await journal.record('restore-5', 'plan', z.looseObject({}), plan);
  await journal.record('restore-5', 'result', z.looseObject({}), { outcome: 'stuck' });
  const clock = () => new Date('2026-01-02T04:04:05Z');
  const locks = new Locks(store);
  await locks.acquire(operationLock('restore-4'), 'process 1 on here', 'works on it', 600_000);
  await locks.acquire(operationLock('restore-1'), 'a dead one', '', 1000);
  const then = new Date(plan.plannedAt);
  await utimes(join(directory, 'locks', `${operationLock('restore-1')}.json`), then, then);
  const { json, text } = await operations({ store, locks, clock });
  const { controlPlane, point, plannedAt } = plan;
  expect(json).toEqual({
    operations: [
      { operation: 'restore-0', controlPlane, point, plannedAt, begun: false, worker: null, outcome: null },
      { operation: 'restore-1', controlPlane, point, plannedAt, begun: true, worker: null, outcome: null },
      { operation: 'restore-2', controlPlane, point, plannedAt, begun: false, worker: null, outcome: 'restored' },
      { operation: 'restore-3', controlPlane, point, plannedAt, begun: false, worker: null, outcome: null },
      {
        ...{ operation: 'restore-4', controlPlane, point, plannedAt },
        ...{ begun: false, worker: 'process 1 on here', outcome: null },
      },
      { operation: 'restore-5', controlPlane, point, plannedAt, begun: false, worker: null, outcome: 'stuck' },
    ],
  });
  expect(text).toMatch(/^restore-1 .*\s+not ended$/m);
  expect(text).toMatch(/^restore-5 .*\s+rollback failed$/m);
  expect(text).toMatch(/^restore-3 .*\s+planned only$/m);
  expect(text).toMatch(/^restore-4 .*\s+at work: process 1 on here$/m);
});
