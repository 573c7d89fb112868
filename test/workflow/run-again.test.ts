import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { runPolicy } from '../../bin/commands/run.ts';
import type { Ports } from '../../bin/local/ports.ts';
import { EXIT } from '../../bin/output/exit-codes.ts';
import { ClusterUnreachableError } from '../../lambdas/domain/errors.ts';
import { controlPlaneLock } from '../../lambdas/domain/operation.ts';
import { runId } from '../../lambdas/domain/policy-run.ts';
import { putValues } from '../testbed/etcd-writes.ts';
import { SecureEtcd } from '../testbed/secure-etcd.ts';
import { plannedCluster, plannedNames, plannedPorts, type PlannedPorts } from './planned-fleet.ts';

jest.setTimeout(120_000);

const NAMES = ['one', 'two'];
const [ONE = ''] = plannedNames(NAMES);
const SLOT = '2026-01-02T03:00:00Z';

let etcd: SecureEtcd;
let directory: string;
let ports: PlannedPorts;
let stores = 0;

beforeAll(async () => {
  etcd = await SecureEtcd.start({ release: '3.6' });
  await putValues(etcd, 'etcd-0', { count: 20, value: () => Buffer.from('value') });
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-run-again-'));
});
afterAll(async () => {
  await etcd.stop();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  stores += 1;
  ports = plannedPorts(join(directory, `${stores}`), plannedCluster(NAMES, etcd), new AbortController().signal);
});

const run = async (changed: Partial<PlannedPorts> = {}, slot = SLOT) =>
  await runPolicy({ ...ports, ...changed } as unknown as Ports, 'nightly', { slot });
const countPoints = async () => (await Array.fromAsync(ports.catalogue.points())).length;

describe('lifeboat run, of a slot that was run before', () => {
  it('backs up what was skipped for another operation, tells that, and then adds nothing more', async () => {
    const lock = await ports.locks.acquire(controlPlaneLock(ONE), 'restore-1', 'restores it', 600_000);
    const first = await run();
    expect(first).toMatchObject({ exitCode: EXIT.failed, json: { counts: { verified: 1, skipped: 1 } } });
    await ports.locks.release(lock);
    const second = await run();
    expect(second).toMatchObject({ exitCode: EXIT.done, json: { counts: { verified: 2, failed: 0, skipped: 0 } } });
    expect(second.text).toContain('succeeded: 2 verified');
    expect(await run()).toEqual(second);
    expect(await countPoints()).toBe(2);
  });

  it('asks a management cluster again that did not answer', async () => {
    const connect = () => Promise.reject(new ClusterUnreachableError('no answer'));
    const first = await run({ connect });
    expect(first).toMatchObject({ exitCode: EXIT.failed, json: { status: 'failed', unreachable: [{}], outcomes: [] } });
    const second = await run();
    expect(second).toMatchObject({
      exitCode: EXIT.done,
      json: { status: 'succeeded', unreachable: [], counts: { verified: 2 } },
    });
    expect(await countPoints()).toBe(2);
  });

  it('does not tell the result of before when this attempt has none', async () => {
    await run();
    const journal = Object.create(ports.journal, {
      revise: { value: () => Promise.reject(new TypeError('a defect')) },
    }) as PlannedPorts['journal'];
    await expect(run({ journal })).rejects.toBeInstanceOf(TypeError);
  });

  it('is refused in the future, or without a zone, before anything is written', async () => {
    await expect(run({}, '2999-01-01T00:00:00Z')).rejects.toThrow('is in the future');
    await expect(run({}, '2026-01-02')).rejects.toThrow('is not a time with date, seconds and zone');
    const id = runId({ policy: 'nightly', slot: '2999-01-01T00:00:00Z' });
    expect(await ports.journal.has(id, 'plan')).toBe(false);
  });
});
