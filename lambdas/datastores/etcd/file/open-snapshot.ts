import { closeSync, fstatSync, openSync } from 'node:fs';
import { NotFoundError } from '../../../domain/errors.ts';
import type { OpenFile } from '../../driver.ts';
import { BoltFile } from './bolt-file.ts';
import { corruptFile } from './corrupt-file.ts';
import { FilePageSource } from './page-source.ts';
import { TRAILER_BYTES } from './trailer.ts';

/** A snapshot file by its path, or one that is open. */
export type SnapshotFile = string | OpenFile;

/**
 * Opens a snapshot file for the time of `work`. NotFoundError when it cannot be opened, CorruptSnapshotError when its length
 * is not that of its pages and its trailer.
 */
export async function withSnapshot<T>(
  snapshot: SnapshotFile,
  work: (source: FilePageSource, file: BoltFile) => Promise<T>,
): Promise<T> {
  const { path, descriptor } = typeof snapshot === 'string' ? openFile(snapshot) : snapshot;
  try {
    const source = new FilePageSource(path, descriptor, fstatSync(descriptor).size);
    const file = new BoltFile(source);
    const expected = file.meta.highWater * file.meta.pageSizeBytes + TRAILER_BYTES;
    if (source.sizeBytes !== expected) {
      throw corruptFile(
        path,
        `it is ${source.sizeBytes} bytes long and should be ${expected}, the hash at its end included`,
      );
    }
    return await work(source, file);
  } finally {
    if (typeof snapshot === 'string') closeSync(descriptor);
  }
}

function openFile(path: string): OpenFile {
  try {
    return { path, descriptor: openSync(path, 'r') };
  } catch (cause) {
    throw new NotFoundError(`The snapshot file ${path} cannot be opened.`, {
      remedy: 'Check that the path is right and that the file may be read.',
      cause,
    });
  }
}
