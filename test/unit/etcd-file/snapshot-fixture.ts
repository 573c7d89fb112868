import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { BucketContents } from './bolt-writer.ts';

/** A snapshot file of a database: with the SHA-256 that etcd ends it with. */
export function withTrailer(database: Buffer): Buffer {
  return Buffer.concat([database, createHash('sha256').update(database).digest()]);
}

/** Gives a function that writes a file and returns its path; all are removed after the suite. */
export function temporaryFiles(): (contents: Buffer) => string {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-etcd-file-'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  let count = 0;
  return (contents) => {
    count += 1;
    const path = join(directory, `${count}.db`);
    writeFileSync(path, contents);
    return path;
  };
}

/** Names and contents of all buckets in order, one after another: what the status hash is over. */
export function hashedBytes(buckets: BucketContents): Buffer {
  const sorted = (contents: BucketContents) =>
    Object.entries(contents).sort(([left], [right]) =>
      Buffer.from(left, 'latin1').compare(Buffer.from(right, 'latin1')),
    );
  return Buffer.concat(
    sorted(buckets).flatMap(([name, contents]) => [
      Buffer.from(name, 'latin1'),
      ...(Buffer.isBuffer(contents) ? [contents] : [hashedBytes(contents)]),
    ]),
  );
}
