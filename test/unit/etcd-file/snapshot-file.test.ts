import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readSnapshotFile } from '../../../lambdas/datastores/etcd/file/snapshot-file.ts';
import { CorruptSnapshotError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import { seed } from '../../suite/seed.ts';
import { type BucketContents, writeBoltFile } from './bolt-writer.ts';
import { crcBitByBit, entriesOf, etcdBuckets, keyValue, revisionKey } from './history.ts';
import { hashedBytes, temporaryFiles, withTrailer } from './snapshot-fixture.ts';

// Properties take seconds where other suites run beside them.
const write = temporaryFiles();

/** Keys and values, all put in one transaction each. */
function keyspace(
  values: readonly (readonly [string, string | Buffer])[],
  others: BucketContents = {},
): BucketContents {
  return etcdBuckets(entriesOf(values.map(([key, value]) => [{ key, value: Buffer.from(value) }])), {}, others);
}

function snapshot(buckets: BucketContents, pageSizeBytes = 4096): string {
  return write(withTrailer(writeBoltFile(buckets, { pageSizeBytes })));
}

describe('what a snapshot file tells', () => {
  it('is sizes, revision and status hash for any page size and values of any length', async () => {
    const value = fc.integer({ min: 0, max: 200_000 }).map((size) => Buffer.alloc(size, size & 255));
    const sizes = fc.constantFrom(1024, 4096, 16_384, 65_536);
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 12 }), sizes, async (values, pageSizeBytes) => {
        const buckets = keyspace(values.map((bytes, index) => [`/registry/things/${index}`, bytes]));
        const database = writeBoltFile(buckets, { pageSizeBytes, mostEntries: 3 });
        const facts = await readSnapshotFile(write(withTrailer(database)));
        expect(facts).toMatchObject({
          sizeBytes: database.length + 32,
          pageSizeBytes,
          revision: values.length + 1,
          keys: values.length,
          statusHash: crcBitByBit(hashedBytes(buckets)),
        });
      }),
      { seed, numRuns: 20 },
    );
  });

  it('is who the members are, were, and what version they ran', async () => {
    const member = (record: object) => Buffer.from(JSON.stringify(record));
    const facts = await readSnapshotFile(
      snapshot(
        keyspace([], {
          members: {
            f14b20ec6b011e: member({
              id: 67914,
              peerURLs: ['http://a:2380'],
              name: 'etcd-0',
              clientURLs: ['http://a:2379'],
            }),
            '9e2f00aa9e2f00aa': member({ id: 1, peerURLs: ['http://b:2380'], isLearner: true }),
          },
          members_removed: { '1234abcd': Buffer.from('removed') },
          lease: { '12345678': Buffer.from('lease'), '22345678': Buffer.from('lease') },
          cluster: { clusterVersion: Buffer.from('3.6.0'), downgrade: Buffer.from('{}') },
          meta: { storageVersion: Buffer.from('3.6.0') },
        }),
      ),
    );
    expect(facts).toMatchObject({
      members: [
        { id: '9e2f00aa9e2f00aa', name: '', peerUrls: ['http://b:2380'], clientUrls: [], learner: true },
        { id: 'f14b20ec6b011e', name: 'etcd-0', clientUrls: ['http://a:2379'], learner: false },
      ],
      removedMembers: ['1234abcd'],
      leases: 2,
      clusterVersion: '3.6.0',
      storageVersion: '3.6.0',
    });
  });

  it('is a storage version told from the raft term before etcd wrote one', async () => {
    const term = Buffer.from([0, 0, 0, 0, 0, 0, 0, 7]);
    expect(await readSnapshotFile(snapshot(keyspace([], { meta: { term } })))).toMatchObject({ storageVersion: '3.5' });
    expect(await readSnapshotFile(snapshot(keyspace([])))).toMatchObject({ storageVersion: '3.4' });
  });

  it('is the count of keys a resource, custom ones with their group and services in two parts', async () => {
    const facts = await readSnapshotFile(
      snapshot(
        keyspace([
          ['/registry/secrets/ns/one', 'k8s\0 object'],
          ['/registry/secrets/ns/two', 'k8s\0 object'],
          ['/registry/secrets/ns/two', 'k8s\0 object, changed'],
          ['/registry/apps.example.com/widgets/ns/one', '{}'],
          ['/registry/services/specs/ns/one', 'k8s\0 object'],
          ['/registry/services/endpoints/ns/one', 'k8s\0 object'],
          ['/registry/health', 'x'],
          ['/registry/', 'x'],
          ['compact_rev_key', '12'],
          ['', ''],
        ]),
      ),
    );
    expect(facts.keysByResource).toEqual({
      'apps.example.com/widgets': 1,
      health: 1,
      other: 3,
      secrets: 2,
      'services/endpoints': 1,
      'services/specs': 1,
    });
    expect(facts.keys).toBe(9);
    expect(facts.prefix).toBe('/registry');
  });

  it('is the prefix that most keys have, where values prove a prefix that is not a usual one', async () => {
    const tenants = await readSnapshotFile(
      snapshot(
        keyspace([
          ['/tenant-a/widgets.example.com/widgets/ns/one', '{}'],
          ['/tenant-a/pods/ns/one', 'k8s\0 object'],
          ['/tenant-b/pods/ns/one', 'k8s:enc:secretbox:v1:key1:secret'],
          ['/app/config/one', 'not of Kubernetes'],
        ]),
      ),
    );
    expect(tenants).toMatchObject({
      prefix: '/tenant-a',
      keysByResource: { other: 1, pods: 2, 'widgets.example.com/widgets': 1 },
    });
    const openShift = await readSnapshotFile(
      snapshot(
        keyspace([
          ['/kubernetes.io/pods/ns/one', '{}'],
          ['/kubernetes.io/pods/ns/two', '{}'],
          ['/openshift.io/routes/ns/one', '{}'],
        ]),
      ),
    );
    expect(openShift).toMatchObject({ prefix: '/kubernetes.io', keysByResource: { pods: 2, routes: 1 } });
    expect((await readSnapshotFile(snapshot(keyspace([['/app/config', 'x']])))).prefix).toBeUndefined();
  });

  it('is how living values are encrypted, with the key id of KMS v2', async () => {
    const kmsObject = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(Buffer.alloc(100, 1));
    kmsObject.tag(2, WireType.LengthDelimited).string('arn:aws:kms:key/1');
    const facts = await readSnapshotFile(
      snapshot(
        keyspace([
          ['/registry/secrets/ns/a', 'k8s:enc:aescbc:v1:key1:secret'],
          ['/registry/secrets/ns/b', 'k8s:enc:aescbc:v1:key1:secret'],
          ['/registry/secrets/ns/c', 'k8s:enc:aesgcm:v1:old:secret'],
          ['/registry/secrets/ns/c', 'k8s:enc:aescbc:v1:key1:written anew'],
          ['/registry/secrets/ns/d', 'k8s:enc:kms:v1:vault:secret'],
          ['/registry/secrets/ns/e', Buffer.concat([Buffer.from('k8s:enc:kms:v2:aws:'), kmsObject.finish()])],
          ['/registry/secrets/ns/f', 'k8s:enc:kms:v2:aws:no message'],
          ['/registry/secrets/ns/g', 'k8s:enc:something else'],
        ]),
      ),
    );
    expect(facts.encryption).toHaveLength(5);
    expect(facts.encryption[0]).toEqual({ provider: 'aescbc', key: 'key1', values: 3 });
    expect(facts.encryption).toEqual(
      expect.arrayContaining([
        { provider: 'kms-v1', key: 'vault', values: 1 },
        { provider: 'kms-v2', key: 'aws', keyId: 'arn:aws:kms:key/1', values: 1 },
        { provider: 'kms-v2', key: 'aws', values: 1 },
        { provider: 'unrecognised', key: '', values: 1 },
      ]),
    );
  });
});

describe('reading a snapshot file', () => {
  const database = () => writeBoltFile(keyspace([['/registry/pods/ns/one', Buffer.alloc(20 * 1024 * 1024)]]));

  it('reports progress up to the whole and leaves the event loop room to turn', async () => {
    const seen: number[] = [];
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    try {
      await readSnapshotFile(write(withTrailer(database())), { onProgress: (done, total) => seen.push(done / total) });
    } finally {
      clearInterval(timer);
    }
    expect(seen.length).toBeGreaterThan(3);
    expect(seen).toEqual([...seen].sort((left, right) => left - right));
    expect(seen.at(-1)).toBe(1);
    expect(turns).toBeGreaterThan(0);
  });

  it('ends with the reason of its signal, also in the middle', async () => {
    const reason = new Error('enough');
    const path = write(withTrailer(database()));
    await expect(readSnapshotFile(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const onProgress = (done: number, total: number) => {
      if (done > total / 4) controller.abort(reason);
    };
    await expect(readSnapshotFile(path, { signal: controller.signal, onProgress })).rejects.toBe(reason);
  });

  it('refuses a file whose hash is not that of its contents, unless the caller has compared it', async () => {
    const file = withTrailer(writeBoltFile(keyspace([['a', 'b']])));
    file[file.length - 1] = (file.at(-1) ?? 0) ^ 1;
    const path = write(file);
    await expect(readSnapshotFile(path)).rejects.toThrow(/the SHA-256 at its end is not that of its contents/);
    await expect(readSnapshotFile(path, { trailerVerified: true })).resolves.toMatchObject({ keys: 1 });
  });

  it('refuses a file without its hash, and one with anything after it', async () => {
    const whole = withTrailer(writeBoltFile(keyspace([['a', 'b']])));
    for (const file of [whole.subarray(0, -32), Buffer.concat([whole, Buffer.alloc(1)])]) {
      await expect(readSnapshotFile(write(file))).rejects.toThrow(
        /bytes long and should be \d+, the hash at its end included/,
      );
    }
  });

  it('says that a file cannot be opened', async () => {
    await expect(readSnapshotFile('/no/such/file.db')).rejects.toThrow(NotFoundError);
  });

  const put = keyValue({ key: Buffer.from('key') });
  const entry = (key: Buffer, value = put) => ({ key: { [key.toString('latin1')]: value } });
  const huge = Buffer.concat([Buffer.alloc(1, 0x7f), revisionKey(1, 1).subarray(1)]);
  it.each<[string, RegExp, BucketContents]>([
    ['has no bucket of keys', /no bucket "key"/, { meta: {} }],
    ['has no bucket of meta data', /no bucket "meta"/, { key: {} }],
    [
      'has a value among its buckets',
      /page 2: its entry 0 should be a bucket/,
      { a: Buffer.from('b'), key: {}, meta: {} },
    ],
    [
      'has a key that is no revision',
      /page 2: a revision is malformed/,
      etcdBuckets([], {}, entry(Buffer.from('short'))),
    ],
    [
      'has a revision without its separator',
      /a revision is malformed/,
      etcdBuckets([], {}, entry(Buffer.alloc(17, 1))),
    ],
    [
      'has a revision with a mark that is unknown',
      /a revision is malformed/,
      etcdBuckets([], {}, entry(Buffer.concat([revisionKey(2, 0), Buffer.from('x')]))),
    ],
    ['has a revision beyond 2^53', /beyond any that etcd reaches/, etcdBuckets([], {}, entry(huge))],
    [
      'has a record that breaks off',
      /is not a key and its value/,
      etcdBuckets([], {}, entry(revisionKey(2, 0), put.subarray(0, -1))),
    ],
    [
      'has a record of another kind',
      /is not a key and its value/,
      etcdBuckets([], {}, entry(revisionKey(2, 0), Buffer.from([8, 1]))),
    ],
    [
      'has a bucket among the keys',
      /is a bucket where etcd keeps values/,
      etcdBuckets([], {}, { key: { a: { b: Buffer.alloc(1) } } }),
    ],
    [
      'has a bucket among the members',
      /is a bucket where etcd keeps values/,
      etcdBuckets([], {}, { members: { a: {} } }),
    ],
    [
      'has a member that is no record',
      /is not a member's record/,
      etcdBuckets([], {}, { members: { a: Buffer.from('{') } }),
    ],
    [
      'has a compaction that is no revision',
      /a revision is malformed/,
      etcdBuckets([], {}, { meta: { finishedCompactRev: Buffer.from('1') } }),
    ],
    [
      'has a term that is no number',
      /the raft term is malformed/,
      etcdBuckets([], {}, { meta: { term: Buffer.from('1') } }),
    ],
    [
      'has more buckets than any etcd',
      /adds to over 1000 buckets/,
      Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`bucket ${index}`, {}])),
    ],
  ])('refuses a file that %s', async (_, message, buckets) => {
    const path = snapshot(buckets);
    await expect(readSnapshotFile(path)).rejects.toThrow(message);
    await expect(readSnapshotFile(path)).rejects.toThrow(CorruptSnapshotError);
  });
});
