import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { isChurning, type KeySample } from '../../../domain/keyspace-difference.ts';
import { bytesOf } from './bytes.ts';
import { KeyListing } from './key-listing.ts';
import type { Place } from './key-places.ts';
import { type SnapshotFile, withSnapshot } from './open-snapshot.ts';
import { Pacer, type ReadingOptions } from './pacer.ts';

/** The namespace whose uid tells clusters apart: the one object that is always compared. */
const ALWAYS = '/namespaces/kube-system';
/** Kubelets write their nodes' status as soon as they reach an API server. */
const NODES = 'minions';

/**
 * At most `count` living Kubernetes keys of a snapshot file, in order of revisions: as many as possible of each resource, chosen
 * by `random` (numbers in [0, 1)), and always the namespace kube-system when there is one. Nodes and what changes all the
 * time by itself are left out, since they may differ as soon as a restored API server runs. Reads the file twice.
 *
 * Throws NotFoundError and CorruptSnapshotError; the file is expected to have been through `readSnapshotFile`.
 */
export async function sampleKeys(
  snapshot: SnapshotFile,
  count: number,
  random: () => number,
  options: ReadingOptions = {},
): Promise<KeySample[]> {
  return await withSnapshot(snapshot, async (source, file) => {
    const pacer = new Pacer(options, 2 * source.sizeBytes);
    await pacer.turn();
    const listing = await KeyListing.read(file, pacer);
    const chosen = chooseKeys(listing, count, random);
    const sample: KeySample[] = [];
    await listing.visitLiving(file, pacer, (number, view, { keyStart, keyEnd, valueStart, valueEnd }) => {
      const key = bytesOf(view, keyStart, keyEnd);
      if (!chosen.delete(number) || !isUtf8(key)) return;
      const sha256 = createHash('sha256')
        .update(bytesOf(view, valueStart, valueEnd))
        .digest('hex');
      sample.push({ key: key.toString(), sha256 });
    });
    pacer.finish();
    return sample;
  });
}

/** The numbers of the chosen keys. */
function chooseKeys(listing: KeyListing, count: number, random: () => number): Set<number> {
  const chosen = new Set(keysAlwaysChosen(listing));
  const isCandidate = (key: number) =>
    listing.modRevision(key) > 0 && !chosen.has(key) && isSteady(listing.places.ofKubernetes(listing.placeOfKey(key)));
  const left = new Map<number, number>();
  for (let key = 0; key < listing.keys; key += 1) {
    if (isCandidate(key)) left.set(listing.placeOfKey(key), (left.get(listing.placeOfKey(key)) ?? 0) + 1);
  }
  const wanted = spread(left, count - chosen.size, random);
  for (let key = 0; key < listing.keys; key += 1) {
    if (!isCandidate(key)) continue;
    const place = listing.placeOfKey(key);
    const [candidates, share] = [left.get(place) ?? 0, wanted.get(place) ?? 0];
    left.set(place, candidates - 1);
    // The share of those that are left: so every choice of a place's keys is as likely as another.
    if (random() * candidates >= share) continue;
    chosen.add(key);
    wanted.set(place, share - 1);
  }
  return chosen;
}

function keysAlwaysChosen(listing: KeyListing): number[] {
  return [...listing.places.prefixes]
    .map((prefix) => new TextEncoder().encode(prefix + ALWAYS))
    .map((key) => listing.numberOf(new DataView(key.buffer), 0, key.length))
    .filter((key) => listing.modRevision(key) > 0);
}

function isSteady(place: Place | undefined): boolean {
  return place !== undefined && place.resource !== NODES && !isChurning(place.resource);
}

/** Shares `count` out among places one by one, as long as they have keys; `random` says who goes first. */
function spread(available: ReadonlyMap<number, number>, count: number, random: () => number): Map<number, number> {
  const order = [...available]
    .map(([place, keys]) => ({ place, keys, turn: random() }))
    .sort((left, right) => left.turn - right.turn);
  const shares = new Map<number, number>();
  for (let share = 1, rest = count; rest > 0; share += 1) {
    const open = order.filter(({ keys }) => keys >= share);
    if (open.length === 0) break;
    for (const { place } of open.slice(0, rest)) shares.set(place, share);
    rest -= open.length;
  }
  return shares;
}
