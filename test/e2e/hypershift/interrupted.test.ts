import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandOutcome } from '../../suite/lifeboat.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { SETUP_TIMEOUT_MILLISECONDS } from '../bed.ts';
import { Restorable } from './restorable.ts';

const HELD_BACK = 'Press again to leave it as it is';
const TIMEOUT_MILLISECONDS = 600_000;

let subject: Restorable;
beforeAll(async () => {
  subject = await Restorable.plant('interrupted');
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(() => subject.retire(), SETUP_TIMEOUT_MILLISECONDS);
beforeEach(() => subject.lose(), TIMEOUT_MILLISECONDS);

/** A running restore, what it has told so far, and the files of its journal. */
class RunningRestore {
  readonly ended: Promise<CommandOutcome>;
  #child: ChildProcess | undefined;
  #told = '';
  readonly #journalsBefore: readonly string[];

  constructor() {
    this.#journalsBefore = journals();
    this.ended = subject.workspace.run(subject.restore, (child) => {
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
    await waitFor(document, () => Promise.resolve(globSync(join(subject.storeDirectory, file)).at(0)), {
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
  return globSync('*', { cwd: join(subject.storeDirectory, 'restores') });
}

describe('Ctrl-C during a restore', () => {
  it(
    'before the fence takes away what was prepared and says that nothing was touched',
    async () => {
      const restore = new RunningRestore();
      await restore.untilRecorded('steps/prepare-data-waiting.json');
      restore.interrupt();
      const { exitCode, stderr } = await restore.ended;
      expect(exitCode).toBe(130);
      expect(stderr).toContain(`${subject.controlPlane} was not touched; what was prepared has been removed`);
      expect(await subject.isBroughtBack()).toBe(false);
      await subject.expectNothingLeft();
      expect((await subject.outcomes()).get(await restore.operation())).toBe('abandoned');
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'behind the fence only says that it goes on, and the restore ends restored',
    async () => {
      const restore = new RunningRestore();
      await restore.untilRecorded('fence-begun.json');
      restore.interrupt();
      await restore.untilTold(HELD_BACK);
      expect(await restore.ended).toMatchObject({ exitCode: 0 });
      await subject.expectRestored();
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'a second time behind the fence leaves it, says what is stopped, and the line that it prints goes on',
    async () => {
      const restore = new RunningRestore();
      await restore.untilRecorded('fence-begun.json');
      restore.interrupt();
      await restore.untilTold(HELD_BACK);
      const { exitCode, stderr } = await restore.interruptedAgain();
      const operation = await restore.operation();
      expect(exitCode).toBe(130);
      expect(stderr).toContain(
        `restore ${operation} was left behind its fence: the API of ${subject.controlPlane} is away`,
      );
      expect(stderr).toContain(`Deployment ${subject.hosted.controlPlaneNamespace}/kube-apiserver`);
      expect((await subject.outcomes()).get(operation)).toBeNull();
      const [, line = ''] = /lifeboat (restore \S+ --resume \S+)$/m.exec(stderr) ?? [];
      expect(line).toContain(operation);
      expect(await subject.workspace.run([...line.split(' '), '--yes'])).toMatchObject({ exitCode: 0 });
      await subject.expectRestored();
    },
    TIMEOUT_MILLISECONDS,
  );
});
