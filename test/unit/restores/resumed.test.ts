import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { GateError } from '../../../lambdas/domain/errors.ts';
import type { DirectedRestore } from '../../../lambdas/domain/restore.ts';
import { endsNothing, standingOf, startsNothing } from '../../../lambdas/restores/resumed.ts';
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
    ['forward', false, ['swap-data-waiting', 'swap-data', 'start-datastore-waiting']],
    ['forward', true, ['swap-data-waiting', 'swap-data', 'start-control-plane-waiting']],
  ] as const)('going %s, that its steps end nothing any more is %s after %j', async (direction, nothing, steps) => {
    await after(...steps);
    expect(await endsNothing({ ...ITEM, direction }, ports())).toBe(nothing);
  });

  it('starts nothing that was used already, and nothing twice', async () => {
    const nothing = (direction: 'forward' | 'back') =>
      Promise.all(
        (['start-datastore', 'start-control-plane'] as const).map((step) =>
          startsNothing(step, { ...ITEM, direction }, { journal }),
        ),
      );
    expect(await nothing('forward')).toEqual([false, false]);
    await after('start-control-plane-waiting');
    expect(await nothing('forward')).toEqual([true, false]);
    await after('start-control-plane');
    expect(await nothing('forward')).toEqual([true, true]);
    expect(await nothing('back')).toEqual([false, false]);
    await after('start-datastore-back');
    expect(await nothing('back')).toEqual([true, false]);
    await after('start-control-plane-back');
    expect(await nothing('back')).toEqual([true, true]);
  });
});
