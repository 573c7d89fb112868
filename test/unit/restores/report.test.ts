import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { restorePlanSchema, restoreResultSchema, type RestoreEnd } from '../../../lambdas/domain/restore.ts';
import type { RunPorts } from '../../../lambdas/operations/ports.ts';
import { findRestorePlan, recordWarning } from '../../../lambdas/restores/records.ts';
import { reportRestore } from '../../../lambdas/restores/report.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { plannedRestore, RESTORE } from './planned-restore.ts';

const DISARMED = 'datastore main came back with the NOSPACE alarm';

let directory: string;
let journal: Journal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-report-'));
  journal = new Journal(new DirectoryStore(directory), 'restore');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** What the result warns of, of a restore that ended so; its datastore had no room before and came back with the alarm. */
async function warningsAfter(outcome: RestoreEnd['outcome']): Promise<string[]> {
  await journal.record(RESTORE.operation, 'plan', restorePlanSchema, plannedRestore({ isLiveFull: true }));
  await recordWarning(RESTORE.operation, 'main', DISARMED, { journal });
  const ports = { journal, clock: () => new Date('2026-01-02T04:05:06Z') } as RunPorts;
  const planSha256 = (await findRestorePlan(RESTORE.operation, { journal }))?.sha256 ?? '';
  const end = { ...RESTORE, planSha256, outcome, failure: null, failureOnTheWayBack: null };
  return (await reportRestore(end, ports)).warnings;
}

describe('the result of a restore', () => {
  it('warns of what the restored datastore came back with', async () => {
    expect(await warningsAfter('restored')).toEqual([DISARMED]);
  });

  it('warns that a datastore still takes no writes when the data of before are back', async () => {
    expect(await warningsAfter('rolled-back')).toEqual([
      expect.stringMatching(/^datastore main takes no writes, as before the restore: the NOSPACE alarm is raised\./),
    ]);
  });

  it('is read as well where a former version wrote it, without warnings', async () => {
    await warningsAfter('restored');
    const result = await journal.read(RESTORE.operation, 'result', restoreResultSchema);
    const former = { ...result, warnings: undefined };
    expect(restoreResultSchema.parse(former).warnings).toEqual([]);
  });

  it.each([
    ['never begun', [], /the data were never exchanged/, null],
    ['begun', ['swap-data-waiting'], /on some volumes perhaps in place/, /where \S+\/previous is there, it holds/],
    ['done', ['swap-data-waiting', 'swap-data'], /are in place of the old data/, /where \S+\/previous is there/],
    ['taken back', ['swap-data-waiting', 'swap-data-back'], /the old data are back in place/, null],
  ])(
    'says where the data are when it is stuck and the exchange was %s, and how its pods are removed',
    async (_, steps, data, previous) => {
      await journal.record(RESTORE.operation, 'plan', restorePlanSchema, plannedRestore());
      const planSha256 = (await findRestorePlan(RESTORE.operation, { journal }))?.sha256 ?? '';
      const at = '2026-01-02T04:05:06Z';
      for (const step of steps) {
        const document = step.endsWith('-waiting') ? { since: at, lastAt: at } : { startedAt: at, doneAt: at };
        await journal.record(RESTORE.operation, `steps/${step}`, z.unknown(), document);
      }
      const ports = { journal, clock: () => new Date(at) } as RunPorts;
      const end = { ...RESTORE, planSha256, outcome: 'stuck', failure: null, failureOnTheWayBack: null } as const;
      const state = (await reportRestore(end, ports)).state.join('\n');
      expect(state).toMatch(data);
      if (previous === null) expect(state).not.toContain('/previous');
      else expect(state).toMatch(previous);
      expect(state).toContain(
        `kubectl delete pods --namespace clusters-prod --selector lifeboat.io/operation=${RESTORE.operation}`,
      );
    },
  );

  it('says of a step whose time was over just that, whoever ended it', async () => {
    await journal.record(RESTORE.operation, 'plan', restorePlanSchema, plannedRestore());
    const planSha256 = (await findRestorePlan(RESTORE.operation, { journal }))?.sha256 ?? '';
    const ports = { journal, clock: () => new Date('2026-01-02T04:05:06Z') } as RunPorts;
    const failure = { step: 'Take the safety recovery point', error: 'States.Timeout', reason: '' };
    const end = { ...RESTORE, planSha256, outcome: 'rolled-back', failure, failureOnTheWayBack: null } as const;
    const { failure: told } = await reportRestore(end, ports);
    expect(told).toMatchObject({ step: failure.step, error: failure.error });
    expect(told?.reason).toContain('had not ended when its time was over');
  });
});
