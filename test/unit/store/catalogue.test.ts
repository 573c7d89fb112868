import { mkdtemp, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CorruptSnapshotError } from '../../../lambdas/domain/errors.ts';
import { manifestKey, recoveryPointPrefix, type Proof } from '../../../lambdas/domain/recovery-point.ts';
import { Catalogue, newestVerified } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import type { PutOptions } from '../../../lambdas/store/object-store.ts';
import { addressOf, CONTROL_PLANE, storePoint } from '../../contract/stored-points.ts';

const ID = '20260102T030405Z-a1b2';

let directory: string;
let store: DirectoryStore;
let catalogue: Catalogue;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-catalogue-'));
  store = new DirectoryStore(directory);
  catalogue = new Catalogue(store);
});
afterEach(() => rm(directory, { recursive: true }));

function structure(result: Proof['result'], takenAt: string): Proof {
  return { kind: 'structure', result, takenAt, datastore: 'main', detail: result };
}

/** Appends a proof that the store gets at a time of its own clock. */
async function append(proof: Proof, storedAt: string): Promise<void> {
  const before = new Set(await proofKeys());
  await catalogue.append(addressOf(ID), proof);
  const [key = ''] = (await proofKeys()).filter((found) => !before.has(found));
  await utimes(join(directory, key), new Date(storedAt), new Date(storedAt));
}

async function proofKeys(): Promise<string[]> {
  const objects = await Array.fromAsync(store.list(`${recoveryPointPrefix(addressOf(ID))}proofs/`));
  return objects.map(({ key }) => key);
}

const verdictNow = async () => (await catalogue.find(ID)).verdict;

describe('a recovery point whose manifest is that of another one', () => {
  it('is found under no name and is never the newest verified one', async () => {
    await storePoint(store, ID, { manifest: { id: '20260101T000000Z-ffff' } });
    await expect(catalogue.find(ID)).rejects.toThrow(/is that of mgmt-a\/clusters\/prod\/20260101T000000Z-ffff/);
    await append(structure('passed', '2026-01-02T12:00:00.000Z'), '2026-01-02T12:00:00Z');
    expect(await catalogue.newestVerified(CONTROL_PLANE, { now: new Date('2026-01-03T00:00:00Z') })).toBeUndefined();
    await storePoint(store, '20260102T030406Z-c3d4');
    expect(await catalogue.newestVerified(CONTROL_PLANE, { now: new Date('2026-01-03T00:00:00Z') })).toMatchObject({
      address: { id: '20260102T030406Z-c3d4' },
    });
  });
});

describe('the verdict on a stored recovery point', () => {
  it('follows the order in which the store got the proofs, not the clocks of those who took them', async () => {
    await storePoint(store, ID, { manifest: { takenAt: '2026-01-03T03:04:05.000Z' } });
    await append(structure('passed', '2026-01-09T00:00:00.000Z'), '2026-01-02T11:00:00Z');
    await append(structure('refused', '2026-01-02T12:00:00.000Z'), '2026-01-02T12:00:00Z');
    expect(await verdictNow()).toBe('refused');
    await append(structure('passed', '2025-01-01T00:00:00.000Z'), '2026-01-02T13:00:00Z');
    expect(await verdictNow()).toBe('verified');
    const { proofs } = await catalogue.find(ID);
    expect(proofs.slice(-3).map(({ result }) => result)).toEqual(['passed', 'refused', 'passed']);
  });

  it('loses no proof to another one of the same kind and millisecond', async () => {
    await storePoint(store, ID);
    const takenAt = '2026-01-02T12:00:00.000Z';
    for (const result of ['passed', 'refused', 'passed'] as const) {
      await catalogue.append(addressOf(ID), structure(result, takenAt));
    }
    expect(await proofKeys()).toHaveLength(3);
  });

  it('counts proofs of the manifest as the first, even where a copy of the store has given it a later time', async () => {
    await storePoint(store, ID);
    await append(structure('refused', '2026-01-02T12:00:00.000Z'), '2026-01-02T12:00:00Z');
    const later = new Date('2026-02-01T00:00:00Z');
    await utimes(join(directory, manifestKey(addressOf(ID))), later, later);
    expect(await verdictNow()).toBe('refused');
  });
});

describe('a recovery point of an older or a newer Lifeboat', () => {
  const now = new Date('2026-01-03T00:00:00Z');
  let first: Record<string, unknown> & { readonly datastores: readonly object[] };

  beforeEach(async () => {
    const path = join(import.meta.dirname, 'manifest-of-version-1.json');
    first = JSON.parse(await readFile(path, 'utf8')) as typeof first;
  });
  const put = (manifest: unknown) =>
    store.put(manifestKey(addressOf(ID)), Buffer.from(JSON.stringify(manifest)), { ifAbsent: true });

  it('reads as one of today when its manifest is of version 1, with nothing lost', async () => {
    await put(first);
    const found = await catalogue.find(ID);
    expect(found.manifest).toEqual({ ...first, manifestVersion: 2 });
    expect(found.verdict).toBe('verified');
    expect((await catalogue.newestVerified(CONTROL_PLANE, { now }))?.address.id).toBe(ID);
  });

  it.each<[string, (manifest: typeof first) => unknown]>([
    ['its version is not known', (manifest) => ({ ...manifest, manifestVersion: 3 })],
    [
      'it has a datastore of a kind that is not known, beside one that is',
      ({ datastores, ...manifest }) => ({
        ...manifest,
        manifestVersion: 2,
        datastores: [...datastores, { kind: 'tape', name: 'other' }],
      }),
    ],
  ])('is shown and never restored when %s', async (_, change) => {
    await put(change(first));
    const points = await Array.fromAsync(catalogue.points(CONTROL_PLANE));
    expect(points).toEqual([{ address: addressOf(ID), error: expect.any(CorruptSnapshotError) }]);
    expect(newestVerified(points, now)).toBeUndefined();
    await expect(catalogue.find(ID)).rejects.toBeInstanceOf(CorruptSnapshotError);
  });
});

describe('the newest verified recovery point', () => {
  const SAFETY = '20260103T030405Z-c3d4';
  const STORED = '20260104T030405Z-e5f6';
  const FUTURE = '20990102T030405Z-9999';
  const now = new Date('2026-06-01T00:00:00Z');

  beforeEach(async () => {
    await storePoint(store, '20260101T030405Z-0000');
    await storePoint(store, ID);
    await storePoint(store, SAFETY, { manifest: { reason: 'safety' } });
    await storePoint(store, STORED, { verified: false });
    await storePoint(store, FUTURE);
  });

  it('is none that a restore put aside, is only stored, or is from the future, whoever asks', async () => {
    const points = await Array.fromAsync(catalogue.points(CONTROL_PLANE));
    expect(points).toHaveLength(5);
    expect(newestVerified(points, now)?.address.id).toBe(ID);
    expect((await catalogue.newestVerified(CONTROL_PLANE, { now }))?.address.id).toBe(ID);
  });

  it('tells which would have been it but for their time', async () => {
    const passedOver: string[] = [];
    await catalogue.newestVerified(CONTROL_PLANE, { now, onFuture: ({ address: { id } }) => passedOver.push(id) });
    expect(passedOver).toEqual([FUTURE]);
  });
});

describe('what is written of a recovery point', () => {
  it('never takes the place of anything: a store in AWS refuses every write that might', async () => {
    const written: (readonly [string, PutOptions])[] = [];
    const recorded = new Proxy(store, {
      get: (target, name) => {
        if (name !== 'put') {
          const found: unknown = Reflect.get(target, name);
          return typeof found === 'function' ? (found.bind(target) as unknown) : found;
        }
        return (key: string, body: Uint8Array, options: PutOptions = {}) => {
          written.push([key, options]);
          return target.put(key, body, options);
        };
      },
    });
    const address = await storePoint(recorded, ID);
    await new Catalogue(recorded).append(address, structure('passed', '2026-01-02T03:04:06.000Z'));
    // One that is pinned already stays so.
    for (const pinned of [true, true]) await new Catalogue(recorded).pin(address, pinned);
    expect((await catalogue.find(ID)).pinned).toBe(true);
    const names = new Set(written.map(([key]) => key.replace(/^.*\//, '').replace(/^structure-.*/, 'structure.json')));
    expect(names).toEqual(
      new Set(['etcd-main.db.zst', 'identity.json.zst', 'manifest.json', 'structure.json', 'pin.json']),
    );
    expect(written.filter(([, { ifAbsent }]) => ifAbsent !== true)).toEqual([]);
  });
});
