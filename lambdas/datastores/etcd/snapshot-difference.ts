import { type KeyChange, type KeyspaceDifference, KeyspaceDifferenceTally } from '../../domain/keyspace-difference.ts';
import { Bitmap } from './file/bitmap.ts';
import { bytesOf } from './file/bytes.ts';
import { KeyListing } from './file/key-listing.ts';
import type { KeyPlaces } from './file/key-places.ts';
import { placeOf } from './file/kubernetes-key.ts';
import { type SnapshotFile, withSnapshot } from './file/open-snapshot.ts';
import { Pacer, type ReadingOptions } from './file/pacer.ts';
import type { LiveKeysPage } from './live-keys.ts';

/** Group, resource, namespace and name are shorter together in any object of Kubernetes. */
const LONGEST_NAME_BYTES = 1024;
/** The one key of an API server outside of its prefix. */
const COMPACT_REVISION_KEY = Buffer.from('compact_rev_key');
const OTHER = 'other';
/** How the API server's storage calls nodes. */
const MINIONS = 'minions';

/**
 * What a restore of a snapshot file would change in the live datastore whose keys are given, e.g. by {@link liveKeys}. Both
 * must be of one history: a key is the same when the same revision wrote it. The file is read once, and a second time when
 * something comes back; it is expected to have been through `readSnapshotFile`. Memory stays below 150 MB, plus
 * 40 MB a million keys of both together.
 *
 * Throws NotFoundError and CorruptSnapshotError for the file, and what reading the live keys throws.
 */
export async function differenceFromLive(
  snapshot: SnapshotFile,
  live: AsyncIterable<LiveKeysPage>,
  options: ReadingOptions = {},
): Promise<KeyspaceDifference> {
  return await difference(snapshot, live, options);
}

/** The same where no live datastore is left: everything comes back. */
export async function differenceFromNothing(
  snapshot: SnapshotFile,
  options: ReadingOptions = {},
): Promise<KeyspaceDifference> {
  return await difference(snapshot, [], options);
}

async function difference(
  snapshot: SnapshotFile,
  live: AsyncIterable<LiveKeysPage> | readonly LiveKeysPage[],
  options: ReadingOptions,
): Promise<KeyspaceDifference> {
  return await withSnapshot(snapshot, async (source, file) => {
    const pacer = new Pacer(options, 2 * source.sizeBytes);
    await pacer.turn();
    const listing = await KeyListing.read(file, pacer);
    const found = new Bitmap(listing.keys);
    const tally = new KeyspaceDifferenceTally();
    const add = (change: KeyChange, view: DataView, start: number, end: number) => {
      tally.add(resourceOf(listing.places, view, start, end), change, () => nameOf(view, start, end));
    };
    let liveRevision: number | null = null;
    for await (const { revision, keys } of live) {
      options.signal?.throwIfAborted();
      liveRevision = revision;
      for (const { key, modRevision } of keys) {
        const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
        const number = listing.numberOf(view, 0, key.length);
        const restored = listing.modRevision(number);
        if (restored > 0) found.mark(number);
        const change = restored === 0 ? 'vanishes' : restored === modRevision ? 'same' : 'reverted';
        add(change, view, 0, key.length);
      }
    }
    if (found.marked < listing.living) {
      await listing.visitLiving(file, pacer, (number, view, { keyStart, keyEnd }) => {
        if (found.mark(number)) add('comesBack', view, keyStart, keyEnd);
      });
    }
    pacer.finish();
    return tally.difference(listing.revision, liveRevision);
  });
}

function resourceOf(places: KeyPlaces, view: DataView, start: number, end: number): string {
  const place = places.ofKubernetes(places.numberOf(view, start, end));
  if (place !== undefined) return place.resource === MINIONS ? 'nodes' : place.resource;
  return bytesOf(view, start, end).equals(COMPACT_REVISION_KEY) ? COMPACT_REVISION_KEY.toString() : OTHER;
}

/** What follows the resource in the path, e.g. `<namespace>/<name>`. */
function nameOf(view: DataView, start: number, end: number): string {
  const nameStart = Math.min(end, (placeOf(view, start, end)?.end ?? end) + 1);
  return bytesOf(view, nameStart, Math.min(end, nameStart + LONGEST_NAME_BYTES)).toString();
}
