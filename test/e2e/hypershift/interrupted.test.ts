import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import type { CommandOutcome, Workspace } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';
import { NO_REMAINDERS, restoreRemainders } from './restore-remainders.ts';

const NAMESPACE = 'interrupted';
const CONTROL_PLANE = `mgmt-a/${NAMESPACE}/prod`;
const RESTORE = ['restore', CONTROL_PLANE, '--latest-verified', '--yes'];
const HELD_BACK = 'Press again to leave it as it is';
const TIMEOUT_MILLISECONDS = 600_000;

let hosted: HostedCluster;
let workspace: Workspace;
let losses = 0;

beforeAll(async () => {
  const bed = await sharedBed();
  hosted = await plantHostedCluster(bed.clusters[0], {
    namespace: NAMESPACE,
    name: 'prod',
    members: 1,
    etcdVersion: '3.6.5',
  });
  workspace = await directoryWorkspace(bed, { purpose: 'restore' });
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

/** Something that a restore brings back. */
beforeEach(async () => {
  losses += 1;
  await hosted.waitUntilReady();
  await hosted.kubectl(['create', 'namespace', `lost-${losses}`]);
  await workspace.json(['backup', CONTROL_PLANE]);
  await hosted.kubectl(['delete', 'namespace', `lost-${losses}`]);
}, TIMEOUT_MILLISECONDS);

async function isBroughtBack(): Promise<boolean> {
  await hosted.waitUntilReady();
  return (await hosted.kubectl(['get', 'namespaces', '--output=name'])).includes(`namespace/lost-${losses}\n`);
}

async function expectNothingLeft(): Promise<void> {
  expect(await restoreRemainders(hosted)).toEqual(NO_REMAINDERS);
  const locks = new Locks(new DirectoryStore(join(workspace.directory, 'recovery-points')));
  expect(await locks.read(controlPlaneLock(CONTROL_PLANE))).toBeUndefined();
}

async function outcomeOf(operation: string): Promise<string | null> {
  const { operations } = (await workspace.json(['operations'])) as {
    operations: { operation: string; outcome: string | null }[];
  };
  const found = operations.find((one) => one.operation === operation);
  if (found === undefined) throw new Error(`${operation} is not listed`);
  return found.outcome;
}

/** A running restore, what it has told so far, and the files of its journal. */
class RunningRestore {
  readonly ended: Promise<CommandOutcome>;
  #child: ChildProcess | undefined;
  #told = '';
  readonly #journalsBefore: readonly string[];

  constructor(args: readonly string[]) {
    this.#journalsBefore = journals();
    this.ended = workspace.run(args, (child) => {
      this.#child = child;
      child.stderr?.on('data', (chunk: string) => (this.#told += chunk));
    });
  }

  async operation(): Promise<string> {
    return await waitFor(
      'the operation',
      () => Promise.resolve(journals().find((name) => !this.#journalsBefore.includes(name))),
      { timeoutSeconds: 120 },
    );
  }

  async untilRecorded(document: string): Promise<void> {
    const file = join('restores', await this.operation(), document);
    await waitFor(document, () => Promise.resolve(globSync(join(workspace.directory, 'recovery-points', file)).at(0)), {
      timeoutSeconds: 240,
    });
  }

  async untilTold(text: string): Promise<void> {
    await waitFor(`"${text}"`, () => Promise.resolve(this.#told.includes(text) || undefined), { timeoutSeconds: 60 });
  }

  interrupt(): void {
    this.#child?.kill('SIGINT');
  }

  /** By a second Ctrl-C; one that follows the first too fast counts for the same. */
  async interruptedAgain(): Promise<CommandOutcome> {
    const pressing = setInterval(() => {
      if (!this.#told.includes('Interrupted: ending.')) this.interrupt();
    }, 400);
    try {
      return await this.ended;
    } finally {
      clearInterval(pressing);
    }
  }
}

function journals(): string[] {
  return globSync('*', { cwd: join(workspace.directory, 'recovery-points/restores') });
}

describe('Ctrl-C during a restore', () => {
  it(
    'before the fence takes away what was prepared and says that nothing was touched',
    async () => {
      const restore = new RunningRestore(RESTORE);
      await restore.untilRecorded('steps/prepare-data-waiting.json');
      restore.interrupt();
      const { exitCode, stderr } = await restore.ended;
      expect(exitCode).toBe(130);
      expect(stderr).toContain(`${CONTROL_PLANE} was not touched; what was prepared has been removed`);
      expect(await isBroughtBack()).toBe(false);
      await expectNothingLeft();
      expect(await outcomeOf(await restore.operation())).toBe('abandoned');
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'behind the fence only says that it goes on, and the restore ends restored',
    async () => {
      const restore = new RunningRestore(RESTORE);
      await restore.untilRecorded('fence-begun.json');
      restore.interrupt();
      await restore.untilTold(HELD_BACK);
      expect(await restore.ended).toMatchObject({ exitCode: 0 });
      expect(await isBroughtBack()).toBe(true);
      await expectNothingLeft();
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'a second time behind the fence leaves it, says what is stopped, and the line that it prints goes on',
    async () => {
      const restore = new RunningRestore(RESTORE);
      await restore.untilRecorded('fence-begun.json');
      restore.interrupt();
      await restore.untilTold(HELD_BACK);
      const { exitCode, stderr } = await restore.interruptedAgain();
      const operation = await restore.operation();
      expect(exitCode).toBe(130);
      expect(stderr).toContain(`restore ${operation} was left behind its fence: the API of ${CONTROL_PLANE} is away`);
      expect(stderr).toContain(`Deployment ${hosted.controlPlaneNamespace}/kube-apiserver`);
      expect(await outcomeOf(operation)).toBeNull();
      const [, line = ''] = /lifeboat (restore \S+ --resume \S+)$/m.exec(stderr) ?? [];
      expect(line).toContain(operation);
      expect(await workspace.run([...line.split(' '), '--yes'])).toMatchObject({ exitCode: 0 });
      expect(await isBroughtBack()).toBe(true);
      await expectNothingLeft();
    },
    TIMEOUT_MILLISECONDS,
  );
});
