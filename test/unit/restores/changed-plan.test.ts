import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { operation } from '../../../bin/commands/operations.ts';
import { restore } from '../../../bin/commands/restore.ts';
import { Interrupts } from '../../../bin/local/interrupts.ts';
import type { Ports } from '../../../bin/local/ports.ts';
import { PlanChangedError, UnsupportedError } from '../../../lambdas/domain/errors.ts';
import { restorePlanSchema } from '../../../lambdas/domain/restore.ts';
import { openRestore } from '../../../lambdas/restores/open-restore.ts';
import { planRestore } from '../../../lambdas/restores/plan.ts';
import { readRestorePlan } from '../../../lambdas/restores/records.ts';
import { reportRestore } from '../../../lambdas/restores/report.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { plannedRestore, RESTORE } from './planned-restore.ts';

const FORWARD = { lock: { token: 1 }, direction: 'forward' } as const;

let directory: string;
let ports: Ports;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-changed-plan-'));
  const store = new DirectoryStore(directory);
  const clock = () => new Date('2026-01-02T04:05:06Z');
  ports = {
    store,
    clock,
    journal: new Journal(store, 'restore'),
    locks: new Locks(store),
    connect: () => Promise.resolve({}),
  } as unknown as Ports;
});
afterEach(() => rm(directory, { recursive: true }));

const record = (purpose: 'backup' | 'restore') =>
  new Journal(ports.store, purpose).record(RESTORE.operation, 'plan', restorePlanSchema, plannedRestore());

describe('the plan of a restore', () => {
  const planFile = () => join(directory, 'restores', RESTORE.operation, 'plan.json');
  const begin = async () => {
    await record('restore');
    return await planRestore({ ...RESTORE, point: 'latest-verified' }, ports);
  };

  it('lies where no run of a policy writes, and is named by its hash from then on', async () => {
    const { planSha256, ...rest } = await begin();
    expect(rest).toEqual({ ...RESTORE, way: 'forward', stage: 'unfenced' });
    expect(planSha256).toBe(
      createHash('sha256')
        .update(await readFile(planFile()))
        .digest('hex'),
    );
    expect(await readRestorePlan({ ...RESTORE, planSha256 }, ports)).toEqual(plannedRestore());
  });

  it('is followed by no step and told in no report when it was changed meanwhile', async () => {
    const planned = await begin();
    const changed = (await readFile(planFile(), 'utf8')).replace('/var/lib', '/var/bin');
    await writeFile(planFile(), changed);
    await expect(openRestore({ ...planned, ...FORWARD }, 'swap-data', ports)).rejects.toThrow(PlanChangedError);
    const end = { ...planned, outcome: 'restored', failure: null, failureOnTheWayBack: null } as const;
    await expect(reportRestore(end, ports)).rejects.toThrow(PlanChangedError);
    expect(await ports.journal.has(RESTORE.operation, 'result')).toBe(false);
  });
});

describe('a restore that a former version of Lifeboat has recorded among the runs of policies', () => {
  beforeEach(() => record('backup'));

  it('is shown', async () => {
    const { json, text } = await operation(ports, RESTORE.operation);
    expect(json).toMatchObject({ plan: plannedRestore(), result: null });
    expect(text).toContain('begun by a former version of Lifeboat');
    expect(text).not.toContain('--resume');
  });

  it('is not resumed', async () => {
    const options = {
      resume: RESTORE.operation,
      dryRun: false,
      yes: true,
      latestVerified: false,
      acceptOtherUid: false,
    };
    await expect(restore(ports, RESTORE.controlPlane, options, new Interrupts(() => undefined))).rejects.toThrow(
      UnsupportedError,
    );
  });
});
