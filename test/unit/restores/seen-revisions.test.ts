import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { manifestKey } from '../../../lambdas/domain/recovery-point.ts';
import { seenRevisions, type SeenRevisionOf } from '../../../lambdas/restores/seen-revisions.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { addressOf, CONTROL_PLANE, storePoint } from '../../contract/stored-points.ts';

const NOW = '2026-01-03T03:04:05Z';
const FIRST = '20260102T030405Z-a1b2';
const SECOND = '20260103T030404Z-c3d4';
const PLAN = {
  kind: 'restore',
  controlPlane: 'mgmt-a/clusters/prod',
  plannedAt: '2026-01-03T03:03:05.000Z',
  datastores: [{ datastore: 'main', revision: 10, bump: 1_000_000 }],
};

let directory: string;
let store: DirectoryStore;
let journal: Journal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-seen-'));
  store = new DirectoryStore(directory);
  journal = new Journal(store, 'restore');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const former = () => new Journal(store, 'backup');
const seen = (): Promise<SeenRevisionOf[]> =>
  seenRevisions(CONTROL_PLANE, { catalogue: new Catalogue(store), store, clock: () => new Date(NOW) });

async function plan(operation: string, changes: object = {}, isBegun = true, into = journal): Promise<void> {
  await into.record(operation, 'plan', z.unknown(), { ...PLAN, ...changes });
  if (isBegun) await into.record(operation, 'steps/swap-data-waiting', z.null(), null);
}

describe('the revisions that the store knows of a control plane', () => {
  it('are those of every recovery point, verified or not', async () => {
    await storePoint(store, FIRST);
    await storePoint(store, SECOND, { verified: false });
    expect(await seen()).toEqual([
      { datastore: 'main', revision: 10, secondsAgo: 86_400, source: `recovery point ${FIRST}` },
      { datastore: 'main', revision: 10, secondsAgo: 1, source: `recovery point ${SECOND}` },
    ]);
  });

  it('are those that restores have raised them to, however they ended', async () => {
    await plan('restore-1');
    expect(await seen()).toEqual([
      { datastore: 'main', revision: 1_000_010, secondsAgo: 60, source: 'what restore restore-1 put in place' },
    ]);
  });

  it('are those that a former version of Lifeboat has raised them to, which kept restores beside runs of policies', async () => {
    await plan('restore-1', {}, true, former());
    expect(await seen()).toMatchObject([{ revision: 1_000_010, source: 'what restore restore-1 put in place' }]);
  });

  it('are not those of restores that put nothing in place, of other control planes, and of runs of policies', async () => {
    await plan('restore-1', {}, false);
    await plan('restore-2', { controlPlane: 'mgmt-a/clusters/other' });
    await former().record('run-1', 'plan', z.unknown(), { policy: 'nightly', controlPlanes: [] });
    expect(await seen()).toEqual([]);
  });

  it('are told where others of them can not be read', async () => {
    await plan('restore-1');
    for (const other of [journal, former()]) await store.put(other.key('restore-0', 'plan'), Buffer.from('{'));
    await store.put(manifestKey(addressOf(FIRST)), Buffer.from('{'));
    expect(await seen()).toHaveLength(1);
  });
});
