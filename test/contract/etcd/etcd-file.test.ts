import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashKeyspace, readSnapshotFile } from '../../../lambdas/datastores/etcd/file/snapshot-file.ts';
import { RevisionUnavailableError } from '../../../lambdas/domain/errors.ts';
import type { SnapshotFacts } from '../../../lambdas/domain/snapshot-facts.ts';
import type { EtcdVersion, TestEtcd } from '../../testbed/etcd.ts';
import {
  fileHash,
  fillWithHistory,
  type LiveHash,
  liveHashes,
  snapshotStatus,
  stopAbandoned,
  storageVersionWritten,
  transact,
  withEtcd,
} from './etcd-snapshots.ts';

/** A snapshot, and what the members said of their keyspace while it was taken from the last of them. */
interface Taken {
  readonly path: string;
  readonly live: readonly LiveHash[];
}

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-etcd-snapshots-'));
afterAll(async () => {
  await stopAbandoned();
  await rm(directory, { recursive: true });
});

const read = new Map<string, Promise<SnapshotFacts>>();
/** Facts of a snapshot, read once for all tests. */
async function factsOf({ path }: Taken): Promise<SnapshotFacts> {
  const facts = read.get(path) ?? readSnapshotFile(path);
  read.set(path, facts);
  return await facts;
}

async function take(etcd: TestEtcd, name: string): Promise<Taken> {
  const path = join(directory, `${name}.db`);
  const endpoint = etcd.endpoints.at(-1) ?? '';
  await etcd.etcdctl(['snapshot', 'save', path], { endpoint });
  return { path, live: await liveHashes(etcd) };
}

const SINGLE = [
  'empty',
  '20 MB',
  'compacted at a deletion',
  'defragmented',
  'everything deleted',
  'with leases',
] as const;
const THREE = ['empty', '20 MB', 'compacted and defragmented'] as const;

/** Not a snapshot of its own: what the member says of exactly the revision that it compacted last. */
const REMEMBERED = 'hash remembered from a compaction';

/** Takes the snapshots of one member, each named for what its store went through last. */
async function takeSingle(etcd: TestEtcd, version: EtcdVersion): Promise<Map<string, Taken>> {
  const taken = new Map<string, Taken>();
  const add = async (name: (typeof SINGLE)[number]) => taken.set(name, await take(etcd, `${version} single ${name}`));
  await add('empty');
  await fillWithHistory(etcd);
  await add('20 MB');
  const deletion = await transact(etcd, [{ key: '/registry/configmaps/large/one' }]);
  await transact(etcd, [{ key: '/registry/configmaps/ns/after', value: 'later' }]);
  await etcd.etcdctl(['compact', String(deletion), '--physical']);
  await add('compacted at a deletion');
  await etcd.etcdctl(['defrag', '--command-timeout=60s']);
  await add('defragmented');
  await etcd.etcdctl(['del', '', '--from-key']);
  const { revision } = await factsOf(await take(etcd, `${version} single before the last compaction`));
  await etcd.etcdctl(['compact', String(revision), '--physical']);
  await add('everything deleted');
  const { path } = await take(etcd, `${version} single at its compaction`);
  taken.set(REMEMBERED, { path, live: await liveHashes(etcd, revision) });
  await etcd.call('lease/grant', { ID: '7', TTL: '3600' });
  await etcd.call('lease/grant', { ID: '8', TTL: '3600' });
  await transact(etcd, [{ key: '/registry/masterleases/10.0.0.1', value: 'x', lease: '7' }]);
  await add('with leases');
  return taken;
}

async function takeThree(etcd: TestEtcd, version: EtcdVersion): Promise<Map<string, Taken>> {
  const taken = new Map<string, Taken>();
  const add = async (name: (typeof THREE)[number]) => taken.set(name, await take(etcd, `${version} three ${name}`));
  await add('empty');
  await fillWithHistory(etcd);
  await add('20 MB');
  await etcd.etcdctl(['compact', '40', '--physical']);
  if (version === '3.6.5') await storageVersionWritten(etcd);
  await etcd.etcdctl(['defrag', '--command-timeout=60s']);
  await add('compacted and defragmented');
  return taken;
}

describe.each<EtcdVersion>(['3.5.21', '3.6.5'])('a snapshot of etcd %s', (version) => {
  let single = new Map<string, Taken>();
  let three = new Map<string, Taken>();
  let laterHash: LiveHash | undefined;
  const LATER_COMPACTION = 30;

  const takenOf = (members: number, name: string): Taken => {
    const taken = (members === 1 ? single : three).get(name);
    if (taken === undefined) throw new Error(`no snapshot ${name}`);
    return taken;
  };

  beforeAll(async () => {
    single = await withEtcd({ version }, (etcd) => takeSingle(etcd, version));
    three = await withEtcd({ version, members: 3 }, (etcd) => takeThree(etcd, version));
    await withEtcd({ version }, async (etcd) => {
      await fillWithHistory(etcd);
      const before = await take(etcd, `${version} before a compaction`);
      single.set('before a compaction', before);
      await etcd.etcdctl(['compact', String(LATER_COMPACTION), '--physical']);
      await transact(etcd, [{ key: 'newer', value: 'than the snapshot' }]);
      const { revision } = await factsOf(before);
      [laterHash] = await liveHashes(etcd, revision);
    });
  }, 480_000);

  const all = [...SINGLE.map((name) => [1, name] as const), ...THREE.map((name) => [3, name] as const)];

  it.each(all)('of %d member(s), %s, has the status that etcdutl prints', async (members, name) => {
    const { path } = takenOf(members, name);
    const facts = await factsOf(takenOf(members, name));
    const newest = await snapshotStatus('3.6.5', path);
    expect({ hash: facts.statusHash, totalKey: facts.keys, totalSize: facts.sizeBytes - 32 }).toEqual({
      hash: newest.hash,
      totalKey: newest.totalKey,
      totalSize: newest.totalSize,
    });
    // A fresh etcd 3.6 writes its storage version some seconds after it has started.
    expect(facts.storageVersion).toBe(newest.version === '' ? '3.5' : newest.version);
    const own = await snapshotStatus(version, path);
    expect(own).toMatchObject({ hash: facts.statusHash, revision: newest.revision, totalSize: facts.sizeBytes - 32 });
    // etcdutl shows the last entry; an etcd on this file is never before 1 or its compaction.
    expect(facts.revision).toBe(Math.max(newest.revision, facts.compactRevision, 1));
  });

  it.each(all)('of %d member(s), %s, hashes to what every live member says', async (members, name) => {
    const taken = takenOf(members, name);
    const { keyspaceHash } = await factsOf(taken);
    const expected = { hash: keyspaceHash.hash, compactRevision: keyspaceHash.compactRevision };
    expect(taken.live).toEqual(Array.from({ length: members }, () => expected));
  });

  // etcdutl hashkv 3.6.5 panics ("no lessor to attach lease") on any file with a key that has a lease.
  it.each(all.filter(([, name]) => name !== 'with leases'))(
    'of %d member(s), %s, hashes to what etcdutl says',
    async (members, name) => {
      const { path } = takenOf(members, name);
      const { revision, compactRevision, keyspaceHash } = await factsOf(takenOf(members, name));
      expect(await fileHash(path)).toEqual({ hash: keyspaceHash.hash, hashRevision: revision, compactRevision });
      const earlier = Math.max(1, compactRevision, revision - 5);
      expect((await fileHash(path, earlier)).hash).toBe((await hashKeyspace(path, earlier, compactRevision)).hash);
    },
  );

  it('foretells the hash of a member that compacted after it', async () => {
    const { path } = takenOf(1, 'before a compaction');
    const { revision } = await factsOf(takenOf(1, 'before a compaction'));
    const { hash, compactRevision } = await hashKeyspace(path, revision, LATER_COMPACTION);
    expect({ hash, compactRevision }).toEqual(laterHash);
  });

  it('cannot be compared with what a member remembers from a compaction at its revision', async () => {
    const taken = takenOf(1, REMEMBERED);
    const { revision, compactRevision } = await factsOf(taken);
    const remembered = taken.live[0]?.compactRevision ?? Infinity;
    expect(compactRevision).toBe(revision);
    expect(remembered).toBeLessThan(compactRevision);
    await expect(hashKeyspace(taken.path, revision, remembered)).rejects.toThrow(RevisionUnavailableError);
  });

  it('names its members, leases and version', async () => {
    const facts = await factsOf(takenOf(3, 'compacted and defragmented'));
    expect(facts.members.map(({ name }) => name).sort()).toEqual(['m0', 'm1', 'm2']);
    expect(facts.storageVersion).toBe(version === '3.6.5' ? '3.6.0' : '3.5');
    expect(facts.clusterVersion).toBe(version === '3.6.5' ? '3.6.0' : '3.5.0');
    expect((await factsOf(takenOf(1, 'with leases'))).leases).toBe(2);
    expect(facts.keysByResource).toHaveProperty('secrets');
  });
});
