import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { GateError } from '../../../lambdas/domain/errors.ts';
import type { DirectedRestore } from '../../../lambdas/domain/restore.ts';
import { endsNothing, hasServed, standingOf } from '../../../lambdas/restores/resumed.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';

const ITEM: DirectedRestore = {
  operation: 'restore-1',
  controlPlane: 'mgmt-a/clusters/prod',
  platform: 'hypershift',
  point: '20260102T030001Z-a1b2',
  planSha256: '0'.repeat(64),
  lock: { token: 1 },
  direction: 'forward',
};

let directory: string;
let journal: Journal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-resumed-'));
  journal = new Journal(new DirectoryStore(directory), 'restore');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Steps as the journal holds them: `swap-data` is done, `swap-data-waiting` begun. */
async function after(...steps: string[]): Promise<void> {
  for (const step of steps) await journal.record(ITEM.operation, `steps/${step}`, z.null(), null);
}

const ports = () => ({ journal, clock: () => new Date() });

describe('a restore that goes on', () => {
  it.each([
    ['fencing', []],
    ['fencing', ['fence-control-plane-waiting', 'fence-control-plane', 'take-safety-point']],
    ['stopping', ['fence-control-plane', 'stop-datastore-waiting']],
    ['swapping', ['stop-datastore-waiting', 'stop-datastore', 'swap-data-waiting']],
    ['swapping', ['stop-datastore-waiting', 'swap-data-waiting', 'swap-data', 'start-control-plane-waiting']],
    ['serving', ['stop-datastore-waiting', 'swap-data-waiting', 'swap-data', 'start-control-plane']],
  ] as const)('is %s after %j', async (standing, steps) => {
    await after(...steps);
    expect(await standingOf(ITEM, { journal })).toBe(standing);
  });

  it('does not go forward any more once a step of the way back has asked what there is to do', async () => {
    await after('stop-datastore-waiting');
    await endsNothing({ ...ITEM, direction: 'back' }, ports());
    await expect(standingOf(ITEM, { journal })).rejects.toThrow(GateError);
  });

  it.each([
    ['back', true, ['fence-control-plane-waiting', 'take-safety-point', 'stop-datastore-waiting']],
    ['back', false, ['stop-datastore-waiting', 'swap-data-waiting']],
    ['back', false, ['swap-data-waiting', 'swap-data-back-waiting']],
    ['back', true, ['swap-data-waiting', 'swap-data-back']],
    ['forward', false, ['swap-data-waiting', 'swap-data', 'start-control-plane-waiting']],
    ['forward', true, ['swap-data-waiting', 'swap-data', 'start-control-plane']],
  ] as const)('going %s, that its steps end nothing any more is %s after %j', async (direction, nothing, steps) => {
    await after(...steps);
    expect(await endsNothing({ ...ITEM, direction }, ports())).toBe(nothing);
  });

  it('has served once the restored API was compared, and on the way back that does not count', async () => {
    expect(await hasServed(ITEM, { journal })).toBe(false);
    await after('start-control-plane');
    expect(await hasServed(ITEM, { journal })).toBe(true);
    expect(await hasServed({ ...ITEM, direction: 'back' }, { journal })).toBe(false);
  });
});
