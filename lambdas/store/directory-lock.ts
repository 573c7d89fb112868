import { mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError } from '../domain/errors.ts';
import { awaitAnswer } from '../domain/silence.ts';
import { systemErrorCode } from './file-errors.ts';
import { filesystemTime } from './filesystem-time.ts';

// What is done under the lock takes milliseconds, so whoever holds it this long is dead.
const STALE_MILLISECONDS = 30_000;
const LONGEST_WAIT_MILLISECONDS = 2 * STALE_MILLISECONDS;
const LONGEST_PAUSE_MILLISECONDS = 10;

/**
 * Mutual exclusion between processes through a folder, as Node has no flock. Lock files are numbered: the highest number
 * holds the lock until its time is set to zero (released) or is old (its process died), and the next holder is whoever
 * creates the next number exclusively. So nobody ever deletes a lock that may be another's, which is what breaks when a
 * stale lock file of a fixed name is removed by two processes. How old a lock is only the filesystem's own clock tells: that of
 * this machine may be another.
 */
export class DirectoryLock {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs `work` while nobody else does. StoreUnavailableError when the lock is not free within a minute. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    const lock = await awaitAnswer(`whoever writes under the lock ${this.#folder}`, () => this.#acquire());
    try {
      return await work();
    } finally {
      await release(lock);
    }
  }

  async #acquire(): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const deadline = performance.now() + LONGEST_WAIT_MILLISECONDS;
    for (;;) {
      const lock = await this.#tryOnce();
      if (lock !== undefined) return lock;
      if (performance.now() > deadline) {
        throw new StoreUnavailableError(
          `the lock ${this.#folder} was not free within ${LONGEST_WAIT_MILLISECONDS / 1000} s`,
          {
            remedy:
              'Another process is writing to this store all the time, or the disk hangs; look for it, then try again.',
          },
        );
      }
      await sleep(Math.random() * LONGEST_PAUSE_MILLISECONDS);
    }
  }

  async #tryOnce(): Promise<string | undefined> {
    const highest = await this.#highest();
    if (highest > 0 && (await this.#isHeld(highest))) return undefined;
    const mine = highest + 1;
    if (!(await createExclusively(this.#path(mine)))) return undefined;
    // Between the two looks others may have come and gone and removed the number that was created here.
    if ((await this.#highest()) !== mine) {
      await rm(this.#path(mine), { force: true });
      return undefined;
    }
    for (const number of await this.#numbers()) if (number < mine) await rm(this.#path(number), { force: true });
    return this.#path(mine);
  }

  async #isHeld(number: number): Promise<boolean> {
    try {
      const { mtimeMs } = await stat(this.#path(number));
      return mtimeMs !== 0 && (await filesystemTime(this.#folder)).getTime() - mtimeMs < STALE_MILLISECONDS;
    } catch (error) {
      // Removed by the holder of a higher number since it was listed.
      if (systemErrorCode(error) === 'ENOENT') return true;
      throw error;
    }
  }

  async #highest(): Promise<number> {
    return Math.max(0, ...(await this.#numbers()));
  }

  async #numbers(): Promise<number[]> {
    return (await readdir(this.#folder)).map(Number).filter(Number.isSafeInteger);
  }

  #path(number: number): string {
    return join(this.#folder, String(number));
  }
}

async function createExclusively(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function release(path: string): Promise<void> {
  try {
    await utimes(path, 0, 0);
  } catch (error) {
    // Taken for dead and succeeded by someone else.
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}
