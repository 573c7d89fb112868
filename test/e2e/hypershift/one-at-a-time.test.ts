import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { runResultSchema } from '../../../lambdas/domain/policy-run.ts';
import type { Lock } from '../../../lambdas/store/locks.ts';
import type { CommandOutcome } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';
import { Restorable } from './restorable.ts';
import { restoreRemainders } from './restore-remainders.ts';

const NAMESPACE = 'one-at-a-time';
const OTHER = `mgmt-a/${NAMESPACE}/other`;
const POLICIES = {
  nightly: { select: { namespaces: [NAMESPACE] }, schedule: '@daily', retention: { last: 5, minimumVerified: 1 } },
};
const TIMEOUT_MILLISECONDS = 600_000;

let subject: Restorable;
let other: HostedCluster;
beforeAll(async () => {
  const [cluster] = (await sharedBed()).clusters;
  [subject, other] = await Promise.all([
    Restorable.plant(NAMESPACE, POLICIES),
    plantHostedCluster(cluster, { namespace: NAMESPACE, name: 'other', members: 1, etcdVersion: '3.6.5' }),
  ]);
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await Promise.all([subject.retire(), retireHostedCluster(other)]);
}, SETUP_TIMEOUT_MILLISECONDS);
beforeEach(() => subject.lose(), TIMEOUT_MILLISECONDS);

/** The lock as soon as somebody has it. */
async function untilLocked(): Promise<Lock> {
  return await waitFor('the lock', () => subject.locks.read(controlPlaneLock(subject.controlPlane)), {
    timeoutSeconds: 120,
  });
}

/** What whoever is refused is told of the owner. */
function lockedBy(owner: string, purpose = 'restores'): string {
  return `${subject.controlPlane} is locked by ${owner} (${purpose} ${subject.controlPlane}) until 20`;
}

function expectRefused({ exitCode, stdout, stderr }: CommandOutcome, owner: string): void {
  expect(stderr).toContain(`error: ${lockedBy(owner)}`);
  expect(stderr).toMatch(/^next: +Wait for it to end/m);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
}

async function listPoints(): Promise<{ id: string; controlPlane: string; reason: string }[]> {
  const { recoveryPoints } = (await subject.workspace.json(['list'])) as { recoveryPoints: never[] };
  return recoveryPoints;
}

async function safetyPoints(): Promise<number> {
  return (await listPoints()).filter(({ reason }) => reason === 'safety').length;
}

/** Ends a command by SIGKILL as soon as `isDue` says so; gives the lock that it had then. */
async function killDuring(args: readonly string[], isDue: (lock: Lock) => boolean): Promise<Lock> {
  let started: ChildProcess | undefined;
  const ended = subject.workspace.run(args, (child) => (started = child));
  const lock = await waitFor(
    'the command to be where it is killed',
    async () => {
      const held = await subject.locks.read(controlPlaneLock(subject.controlPlane));
      return held !== undefined && isDue(held) ? held : undefined;
    },
    { timeoutSeconds: 240 },
  );
  started?.kill('SIGKILL');
  expect((await ended).exitCode).toBe(-1);
  return lock;
}

/** As if the time of the lease had passed. */
async function expire(): Promise<void> {
  const file = join(subject.storeDirectory, 'locks', `${controlPlaneLock(subject.controlPlane)}.json`);
  const longAgo = new Date('2026-01-01T00:00:00Z');
  await utimes(file, longAgo, longAgo);
}

describe('of two operations on one control plane', () => {
  it(
    'exactly one restores when two restores start at once, and nothing is left of the other',
    async () => {
      const before = await safetyPoints();
      const both = await Promise.all([subject.workspace.run(subject.restore), subject.workspace.run(subject.restore)]);
      const [winner, loser] = both.sort((a, b) => a.exitCode - b.exitCode);
      expect(winner).toMatchObject({ exitCode: 0 });
      const operation = /^operation (restore-\S+)$/m.exec(winner.stdout)?.[1] ?? '';
      expectRefused(loser, operation);
      const outcomes = await subject.outcomes();
      expect(outcomes.get(operation)).toBe('restored');
      // One that was refused before it had planned has no plan either.
      const refused = /operation (restore-\S+);/.exec(loser.stderr)?.[1];
      if (refused !== undefined) {
        expect(outcomes.get(refused)).toBe('not-begun');
        const { documents } = (await subject.workspace.json(['operation', refused])) as {
          documents: { name: string }[];
        };
        expect(documents.map(({ name }) => name).sort()).toEqual(['plan', 'result']);
      }
      expect([...outcomes.values()]).not.toContain(null);
      expect(await safetyPoints()).toBe(before + 1);
      await subject.expectRestored();
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'a backup, a prune and the run of a policy leave a control plane to its restore, and work again afterwards',
    async () => {
      const points = await listPoints();
      const restoring = subject.workspace.run(subject.restore);
      const { owner } = await untilLocked();
      expectRefused(await subject.workspace.run(['backup', subject.controlPlane]), owner);
      expectRefused(await subject.workspace.run(subject.restore), owner);
      const resumed = await subject.workspace.run(['restore', subject.controlPlane, '--resume', owner, '--yes']);
      expect({ exitCode: resumed.exitCode, stdout: resumed.stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(resumed.stderr).toMatch(new RegExp(`^error: ${owner} is locked by process \\d+ on \\S+ since `, 'm'));
      const ran = await subject.workspace.run(['run', 'nightly', '--slot', '2026-01-01T03:00:00Z', '--json']);
      expect(ran.exitCode).toBe(1);
      const { counts, outcomes } = runResultSchema.parse(JSON.parse(ran.stdout));
      expect(counts).toEqual({ verified: 1, failed: 0, skipped: 1 });
      expect(outcomes).toEqual([
        expect.objectContaining({ controlPlane: OTHER, outcome: 'verified' }),
        expect.objectContaining({
          controlPlane: subject.controlPlane,
          outcome: 'skipped',
          error: 'LockedError',
          reason: expect.stringContaining(lockedBy(owner)) as unknown,
        }),
      ]);
      const { exitCode, stdout } = await restoring;
      expect({ exitCode, operation: /^operation (.*)$/m.exec(stdout)?.[1] }).toEqual({ exitCode: 0, operation: owner });
      await subject.expectRestored();
      const taken = (await listPoints()).filter(({ id }) => points.every((point) => point.id !== id));
      expect(taken.map(({ controlPlane, reason }) => `${controlPlane} ${reason}`).sort()).toEqual([
        `${OTHER} scheduled`,
        `${subject.controlPlane} safety`,
      ]);

      expect(await subject.workspace.run(['backup', subject.controlPlane])).toMatchObject({ exitCode: 0 });
      const again = await subject.workspace.run(['run', 'nightly', '--slot', '2026-01-02T03:00:00Z', '--json']);
      expect(runResultSchema.parse(JSON.parse(again.stdout)).counts).toEqual({ verified: 2, failed: 0, skipped: 0 });
      expect(await subject.workspace.run(['prune', 'nightly'])).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'the one whose Lifeboat has another store is refused with the name of the first, which ends restored',
    async () => {
      const second = await directoryWorkspace(await sharedBed(), { purpose: 'restore' }, POLICIES);
      try {
        await second.json(['backup', subject.controlPlane]);
        const restoring = subject.workspace.run(subject.restore);
        const { owner } = await untilLocked();
        await waitFor('the mark', async () => (await restoreRemainders(subject.hosted)).mark ?? undefined, {
          timeoutSeconds: 120,
        });
        const refused = await second.run(subject.restore);
        expect(refused.exitCode).toBe(1);
        expect(`${refused.stdout}${refused.stderr}`).toContain(
          `${subject.controlPlane} is marked by ${owner} of another store (${subject.storeDirectory}`,
        );
        expect(await restoring).toMatchObject({ exitCode: 0 });
        await subject.expectRestored();
        const { operations } = (await second.json(['operations'])) as { operations: { outcome: string }[] };
        expect(operations.map(({ outcome }) => outcome)).toEqual(['not-begun']);
      } finally {
        await second.remove();
      }
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'a dead one keeps its lock until that expires, and goes on when it is resumed',
    async () => {
      const killed = await killDuring(subject.restore, () => true);
      const { owner, token } = killed;
      expectRefused(await subject.workspace.run(['backup', subject.controlPlane]), owner);
      expect((await subject.outcomes()).get(owner)).toBeNull();
      await expire();
      expect(await subject.workspace.run(['backup', subject.controlPlane])).toMatchObject({ exitCode: 0 });

      const backup = await subject.locks.acquire(
        controlPlaneLock(subject.controlPlane),
        'backup-1',
        `backs up ${subject.controlPlane}`,
        60_000,
      );
      expect(backup.token).toBe(token + 2);
      const resume = ['restore', subject.controlPlane, '--resume', owner, '--yes'];
      const tooEarly = await subject.workspace.run(resume);
      expect(tooEarly.exitCode).toBe(1);
      expect(tooEarly.stderr).toContain(lockedBy('backup-1', 'backs up'));
      await subject.locks.release(backup);
      // What another operation refuses may still be resumed.
      expect((await subject.outcomes()).get(owner)).toBeNull();

      // One that had touched nothing is planned anew, under a name of its own; the former one is closed.
      const isFenced = ({ owner: name }: Lock) =>
        existsSync(join(subject.storeDirectory, 'restores', name, 'fenced.json'));
      const { owner: anew } = await killDuring(resume, isFenced);
      expect((await subject.outcomes()).get(owner)).toBe('abandoned');
      expectRefused(await subject.workspace.run(['backup', subject.controlPlane]), anew);
      expect(await subject.workspace.run(['restore', subject.controlPlane, '--resume', anew, '--yes'])).toMatchObject({
        exitCode: 0,
      });
      expect((await subject.outcomes()).get(anew)).toBe('restored');
      await subject.expectRestored();
    },
    TIMEOUT_MILLISECONDS,
  );
});
