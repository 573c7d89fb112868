import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fedPods } from '../../../lambdas/restores/strategies/swap-volumes/fed-pods.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-fed-pods-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const nextCall = () => fedPods('restore-1', { journal: new Journal(new DirectoryStore(directory), 'restore') });

describe('pods of a preparation', () => {
  it('that an earlier call has fed are not fed again, unless they were made again', async () => {
    const call = await nextCall();
    await call.add('prepare-etcd-0', 'uid-1');
    await call.add('prepare-etcd-1', 'uid-2');
    const later = await nextCall();
    expect(later.has('prepare-etcd-0', 'uid-1')).toBe(true);
    expect(later.has('prepare-etcd-1', 'uid-2')).toBe(true);
    expect(later.has('prepare-etcd-1', 'uid-3')).toBe(false);
    expect(later.has('prepare-etcd-2', 'uid-4')).toBe(false);
  });

  it('take turns where a call has its time for one', async () => {
    const call = await nextCall();
    expect([call.takeTurn(), call.takeTurn()]).toEqual([true, false]);
    call.endTurn();
    expect(call.takeTurn()).toBe(true);
  });
});
