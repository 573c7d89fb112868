import { rm, type FileHandle } from 'node:fs/promises';
import type { StoredObject, Upload } from './object-store.ts';
import { withFileErrors } from './file-errors.ts';
import { describeFile } from './stored-file.ts';

/** What the store does with a finished file: gives it its name, under the conditions of the write. */
type Publish = (path: string, stored: StoredObject) => Promise<void>;

/** An upload into a file without a name that anybody would list; `publish` gives it one. */
export class DirectoryUpload implements Upload {
  readonly #key: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #publish: Publish;
  #published = false;

  constructor(key: string, path: string, file: FileHandle, publish: Publish) {
    this.#key = key;
    this.#path = path;
    this.#file = file;
    this.#publish = publish;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await withFileErrors('write', this.#path, () => this.#file.writeFile(chunk));
  }

  async complete(): Promise<StoredObject> {
    return withFileErrors('write', this.#path, async () => {
      await this.#file.utimes(...distinctTime((await this.#file.stat()).mtimeMs));
      await this.#file.sync();
      const stored = describeFile(this.#key, await this.#file.stat({ bigint: true }));
      await this.#file.close();
      await this.#publish(this.#path, stored);
      this.#published = true;
      return stored;
    });
  }

  async abort(): Promise<void> {
    if (this.#published) return;
    await withFileErrors('remove', this.#path, async () => {
      await this.#file.close();
      await rm(this.#path, { force: true });
    });
  }
}

/**
 * The time that the filesystem gave, with random digits below the millisecond: filesystems stamp files with a clock of some
 * milliseconds and use inode numbers again at once, so that two files of one size written at the same moment could have the
 * same etag.
 */
function distinctTime(milliseconds: number): [accessedSeconds: number, modifiedSeconds: number] {
  const seconds = (Math.floor(milliseconds) + Math.random()) / 1000;
  return [seconds, seconds];
}
