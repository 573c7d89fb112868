/** Where a plain copy of a snapshot lies for as long as somebody downloads it; nothing below is kept for longer than a day. */
const ROOT = 'staging/';

/** What an operation has staged begins with this. */
export function stagingPrefix(operation: string): string {
  return `${ROOT}${operation}/`;
}

/** The plain file of a datastore, as `etcdutl` and the platform's own restore take it. */
export function stagedKey(operation: string, datastore: string): string {
  return `${stagingPrefix(operation)}etcd-${datastore}.db`;
}
