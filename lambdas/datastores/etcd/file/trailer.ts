import { createHash } from 'node:crypto';
import { corruptFile } from './corrupt-file.ts';
import type { Pacer } from './pacer.ts';
import type { PageSource } from './page-source.ts';

/** etcd ends a snapshot with the SHA-256 of everything before it; there is no other mark of the end. */
export const TRAILER_BYTES = 32;
const BYTES_A_READ = 1024 * 1024;

/** Compares the trailer of a snapshot file with the SHA-256 of what is before it. */
export async function verifyTrailer(source: PageSource, pacer: Pacer): Promise<void> {
  const contentBytes = source.sizeBytes - TRAILER_BYTES;
  const hash = createHash('sha256');
  for (let at = 0; at < contentBytes; at += BYTES_A_READ) {
    const length = Math.min(BYTES_A_READ, contentBytes - at);
    hash.update(source.read(at, length));
    if (pacer.advance(length)) await pacer.turn();
  }
  const trailer = source.read(contentBytes, TRAILER_BYTES);
  if (hash.digest().compare(new Uint8Array(trailer.buffer, trailer.byteOffset, TRAILER_BYTES)) === 0) return;
  throw corruptFile(source.path, 'the SHA-256 at its end is not that of its contents');
}
