import { CorruptSnapshotError } from '../../../domain/errors.ts';

/** The error for a snapshot file that is not what etcd would have written; names the file, the page and the reason. */
export function corruptFile(path: string, reason: string, where: { page?: number; cause?: unknown } = {}) {
  const page = where.page === undefined ? '' : `page ${where.page}: `;
  return new CorruptSnapshotError(`The snapshot file ${path} is corrupt: ${page}${reason}.`, {
    remedy: 'Do not restore from this file; use another recovery point, or take a new one while the datastore lives.',
    cause: where.cause,
  });
}
