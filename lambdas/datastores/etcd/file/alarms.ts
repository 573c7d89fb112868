import { leavesOf } from './bolt-tree.ts';
import { bytesOf } from './bytes.ts';
import { bucketsOf } from './etcd-buckets.ts';
import { type SnapshotFile, withSnapshot } from './open-snapshot.ts';
import { decodeAlarm, type EtcdAlarm } from '../wire/messages.ts';

/**
 * The alarms that were raised when a snapshot was taken: an etcd that is restored from it has them again, raised by members that are
 * no more. Reads a page or two; the file is expected to have been through `readSnapshotFile`. NotFoundError, CorruptSnapshotError.
 */
export async function readAlarms(snapshot: SnapshotFile): Promise<EtcdAlarm[]> {
  return await withSnapshot(snapshot, (_, file) => {
    const found = new Set<EtcdAlarm>();
    // etcd makes it when it is first started.
    const bucket = bucketsOf(file, file.ledger()).find(({ name }) => name === 'alarm');
    if (bucket === undefined) return Promise.resolve([]);
    for (const leaf of leavesOf(file, bucket, file.ledger())) {
      file.onPage(leaf.id, () => {
        for (let index = 0; index < leaf.count; index += 1) {
          const alarm = decodeAlarm(Buffer.from(bytesOf(leaf.view, leaf.keyStart(index), leaf.keyEnd(index))));
          if (alarm !== undefined) found.add(alarm);
        }
      });
    }
    return Promise.resolve([...found].sort());
  });
}
