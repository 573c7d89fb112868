import { isDatastoreFile } from '../domain/datastore.ts';
import { PROOF_KINDS } from '../domain/recovery-point.ts';

/** What every recovery point may hold beside the files of its datastores. */
const COMMON_FILE = new RegExp(
  String.raw`^(?:manifest\.json|pin\.json|identity\.json\.zst|proofs/(?:${PROOF_KINDS.join('|')})-[^/]+\.json)$`,
);

/** Whether Lifeboat itself gave the file this name; `name` is relative to a recovery point's prefix. */
export function isOwnFile(name: string): boolean {
  return COMMON_FILE.test(name) || isDatastoreFile(name);
}
