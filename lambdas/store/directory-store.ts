import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { link, open, readdir, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { ConfigurationError, ConflictError, NotFoundError, UnsupportedError } from '../domain/errors.ts';
import { DirectoryLock } from './directory-lock.ts';
import { DirectoryUpload } from './directory-upload.ts';
import { systemErrorCode, withFileErrors } from './file-errors.ts';
import { filesystemTime } from './filesystem-time.ts';
import { makeFolder, syncFolder } from './folders.ts';
import { checkedKey, checkedPrefix, checkedRange } from './object-key.ts';
import type {
  ObjectHistory,
  ObjectStore,
  Observation,
  PutOptions,
  StoredObject,
  UnfinishedUpload,
  Upload,
} from './object-store.ts';
import { describeFile } from './stored-file.ts';

const ABSENT = new Set(['ENOENT', 'ENOTDIR']);
const NOT_TO_BE_WRITTEN = new Set(['EACCES', 'EPERM', 'EROFS']);
const READ_CHUNK_BYTES = 256 * 1024;
const ABANDONED_MILLISECONDS = 24 * 3600 * 1000;
// `remove` takes empty folders away, perhaps just before a file is put there.
const PLACE_ATTEMPTS = 10;

/**
 * Objects as files below a directory, readable by its owner only (a recovery point holds every Secret of a tenant). A file
 * gets its name when it is whole and on the disk. Several processes, also of several machines, may share the directory.
 */
export class DirectoryStore implements ObjectStore {
  readonly location: string;
  readonly #uploads: string;
  readonly #lock: DirectoryLock;
  #swept = false;

  /** Nothing is created before the first write. */
  constructor(directory: string) {
    this.location = resolve(directory);
    this.#uploads = join(this.location, '.uploads');
    this.#lock = new DirectoryLock(join(this.location, '.lock'));
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<StoredObject> {
    const upload = await this.beginUpload(key, options);
    try {
      await upload.write(body);
      return await upload.complete();
    } catch (error) {
      // The first error says what is wrong; a file that can't be removed now is swept later.
      await upload.abort().catch(() => undefined);
      throw error;
    }
  }

  async beginUpload(key: string, options: PutOptions = {}): Promise<Upload> {
    const target = this.#path(key);
    if (options.retainUntil !== undefined) {
      throw new ConfigurationError(
        `${target} can't be locked until ${options.retainUntil.toISOString()}: a directory has no locks`,
        {
          remedy: 'Use an S3 bucket with Object Lock as the store, or leave the retention lock out.',
        },
      );
    }
    const path = join(this.#uploads, randomUUID());
    return withFileErrors('write', path, async () => {
      await makeFolder(this.#uploads);
      await this.#sweepAbandoned();
      const file = await open(path, 'wx', 0o600);
      return new DirectoryUpload(key, path, file, (finished) => this.#publish(finished, key, options));
    });
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const path = this.#path(key);
    return withFileErrors('look at', path, () => this.#look(key));
  }

  async observe(key: string): Promise<Observation> {
    const path = this.#path(key);
    return withFileErrors('look at', path, async () => {
      const stored = await this.#look(key);
      return { stored, at: stored === undefined ? new Date() : await timeIn(dirname(path)) };
    });
  }

  async read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    const path = this.#path(key);
    const bytes = checkedRange(range);
    return withFileErrors('read', path, async () => {
      const file = await openFile(path);
      if (file === undefined) {
        throw new NotFoundError(`${path} does not exist`, {
          remedy: 'Check the name; "lifeboat list" shows what there is.',
        });
      }
      const source = file.createReadStream({ ...bytes, highWaterMark: READ_CHUNK_BYTES });
      const stream = Readable.from(translatedChunks(source, path), {
        objectMode: false,
        highWaterMark: READ_CHUNK_BYTES,
      });
      // A generator that was never started can't close the file in a `finally`.
      return stream.once('close', () => source.destroy());
    });
  }

  presign(key: string): Promise<never> {
    return Promise.reject(
      new UnsupportedError(`${this.#path(key)} can't be downloaded by a pre-signed URL: the store is a directory`, {
        remedy: 'Use a store in S3 (s3://bucket/prefix), or "lifeboat export" for the file itself.',
      }),
    );
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    const folder = checkedPrefix(prefix);
    yield* this.#walk(folder, prefix);
  }

  async remove(key: string): Promise<void> {
    const path = this.#path(key);
    await withFileErrors('remove', path, async () => {
      if ((await this.#look(key)) === undefined) return;
      await this.#lock.hold(() => rm(path, { force: true }));
      await syncFolder(dirname(path));
      await this.#pruneFolders(dirname(path));
    });
  }

  async history(key: string): Promise<ObjectHistory> {
    return { versions: (await this.head(key)) === undefined ? 0 : 1, lock: undefined };
  }

  async *unfinishedUploads(prefix: string): AsyncGenerator<UnfinishedUpload> {
    checkedPrefix(prefix);
    for (const { path, activeAt } of await withFileErrors('list', this.#uploads, () => this.#uploadFiles())) {
      yield {
        key: undefined,
        activeAt,
        discard: () => withFileErrors('remove', path, () => rm(path, { force: true })),
      };
    }
  }

  /** Objects below a folder (empty or ending in `/`), a folder's entries at a time; `prefix` begins with the folder. */
  async *#walk(folder: string, prefix: string): AsyncGenerator<StoredObject> {
    for (const key of await this.#childKeys(folder)) {
      if (!key.startsWith(prefix)) continue;
      if (key.endsWith('/')) {
        yield* this.#walk(key, prefix);
      } else {
        const stored = await this.head(key);
        if (stored !== undefined) yield stored;
      }
    }
  }

  /** Keys of the files and, with a `/` at their end, of the folders in a folder: in that form they sort as the keys below do. */
  async #childKeys(folder: string): Promise<string[]> {
    const path = join(this.location, folder);
    const entries = await withFileErrors('list', path, () => readFolder(path));
    const keys = entries
      .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
    return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  async #publish(finished: string, key: string, options: PutOptions): Promise<void> {
    const path = this.#path(key);
    for (let attempt = 1; ; attempt += 1) {
      await makeFolder(dirname(path));
      try {
        await this.#place(finished, key, options);
        break;
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT' || attempt === PLACE_ATTEMPTS) throw error;
      }
    }
    await syncFolder(dirname(path));
  }

  async #place(finished: string, key: string, { ifAbsent, ifMatch }: PutOptions): Promise<void> {
    const path = this.#path(key);
    if (ifAbsent === true) {
      await linkExclusively(finished, path);
      await rm(finished);
      return;
    }
    await this.#lock.hold(async () => {
      if (ifMatch !== undefined && (await this.#look(key))?.etag !== ifMatch) {
        throw new ConflictError(`${path} is no longer what was read: someone else has written or removed it`, {
          remedy: 'Read it again and decide anew.',
        });
      }
      await rename(finished, path);
    });
  }

  async #look(key: string): Promise<StoredObject | undefined> {
    try {
      const stats = await stat(this.#path(key), { bigint: true });
      return stats.isFile() ? describeFile(key, stats) : undefined;
    } catch (error) {
      if (ABSENT.has(systemErrorCode(error) ?? '')) return undefined;
      throw error;
    }
  }

  async #pruneFolders(from: string): Promise<void> {
    for (let folder = from; folder !== this.location; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemErrorCode(error) ?? '')) return;
        throw error;
      }
    }
  }

  /** Removes what processes that died left behind; a live upload writes to its file far more often. */
  async #sweepAbandoned(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    const now = await filesystemTime(this.#uploads);
    for (const { path, activeAt } of await this.#uploadFiles()) {
      if (now.getTime() - activeAt.getTime() > ABANDONED_MILLISECONDS) await rm(path, { force: true });
    }
  }

  async #uploadFiles(): Promise<{ readonly path: string; readonly activeAt: Date }[]> {
    const files: { path: string; activeAt: Date }[] = [];
    for (const { name } of await readFolder(this.#uploads)) {
      const path = join(this.#uploads, name);
      // It may have been finished since the folder was read.
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isFile() === true) files.push({ path, activeAt: stats.mtime });
    }
    return files;
  }

  #path(key: string): string {
    return join(this.location, checkedKey(key));
  }
}

/** Whoever may not write there only looks: what this machine takes for now can do no harm then. */
async function timeIn(folder: string): Promise<Date> {
  try {
    return await filesystemTime(folder);
  } catch (error) {
    if (NOT_TO_BE_WRITTEN.has(systemErrorCode(error) ?? '')) return new Date();
    throw error;
  }
}

/** The opened file, or undefined when there is none of this name. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (ABSENT.has(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (ABSENT.has(systemErrorCode(error) ?? '')) return [];
    throw error;
  }
}

async function linkExclusively(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    throw new ConflictError(`${to} exists already`, {
      remedy: 'Nothing was changed; choose another name.',
      cause: error,
    });
  }
}

async function* translatedChunks(source: Readable, path: string): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<unknown> = source.iterator();
  for (;;) {
    const { value, done } = await withFileErrors<IteratorResult<unknown, unknown>>('read', path, () => chunks.next());
    if (done === true) return;
    yield value as Buffer;
  }
}
