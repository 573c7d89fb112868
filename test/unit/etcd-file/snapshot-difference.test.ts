import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LiveKeysPage } from '../../../lambdas/datastores/etcd/live-keys.ts';
import { differenceFromLive, differenceFromNothing } from '../../../lambdas/datastores/etcd/snapshot-difference.ts';
import { CorruptSnapshotError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { KeyspaceDifference } from '../../../lambdas/domain/keyspace-difference.ts';
import { seed } from '../../suite/seed.ts';
import { writeBoltFile } from './bolt-writer.ts';
import { type Change, compact, entriesOf, etcdBuckets, type HistoryEntry, liveKeys, revisionKey } from './history.ts';
import { temporaryFiles, withTrailer } from './snapshot-fixture.ts';

// Properties take seconds where other suites run beside them.
const write = temporaryFiles();

function snapshotOf(entries: readonly HistoryEntry[], finished?: number): string {
  const compaction = finished === undefined ? {} : { finished };
  return write(withTrailer(writeBoltFile(etcdBuckets(entries, compaction), { mostEntries: 5, pageSizeBytes: 1024 })));
}

function put(key: string, value = 'k8s\0 object'): Change {
  return { key, value: Buffer.from(value) };
}

/** What an etcd with this history gives as its live keys. */
async function* pagesOf(entries: readonly HistoryEntry[], pageKeys = 2): AsyncGenerator<LiveKeysPage, void, undefined> {
  const revision = entries.at(-1)?.main ?? 1;
  const sorted = [...liveKeys(entries, revision).values()].sort((left, right) =>
    Buffer.from(left.userKey).compare(Buffer.from(right.userKey)),
  );
  const keys = sorted.map(({ userKey, main }) => ({
    key: Buffer.from(userKey),
    createRevision: main,
    modRevision: main,
    version: 1,
    lease: '0',
    value: Buffer.alloc(0),
  }));
  for (let first = 0; first === 0 || first < keys.length; first += pageKeys) {
    yield await Promise.resolve({ revision, keys: keys.slice(first, first + pageKeys) });
  }
}

/** A difference as its definition has it, of what lived at two times of one history. */
function naiveDifference(before: ReadonlyMap<string, HistoryEntry>, after: ReadonlyMap<string, HistoryEntry>) {
  const counts = new Map<string, Record<'comesBack' | 'vanishes' | 'reverted' | 'same', number>>();
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [, , resource = ''] = key.split('/');
    const row = counts.get(resource) ?? { comesBack: 0, vanishes: 0, reverted: 0, same: 0 };
    counts.set(resource, row);
    const [then, now] = [before.get(key)?.main, after.get(key)?.main];
    if (now === undefined) row.comesBack += 1;
    else if (then === undefined) row.vanishes += 1;
    else if (then === now) row.same += 1;
    else row.reverted += 1;
  }
  return Object.fromEntries(counts);
}

function countsOf({ resources }: KeyspaceDifference) {
  return Object.fromEntries(
    resources.map(({ resource, comesBack, vanishes, reverted, same }) => [
      resource,
      { comesBack, vanishes, reverted, same },
    ]),
  );
}

const key = fc
  .tuple(fc.constantFrom('secrets', 'configmaps'), fc.constantFrom('a', 'b', 'c', 'd'))
  .map(([resource, name]) => `/registry/${resource}/ns/${name}`);
const change: fc.Arbitrary<Change> = fc.record({
  key,
  value: fc.option(fc.constant(Buffer.from('k8s\0')), { nil: undefined, freq: 2 }),
});
const transaction = fc.uniqueArray(change, { minLength: 1, maxLength: 3, selector: (one) => one.key });
const history = fc.array(transaction, { maxLength: 30 }).map(entriesOf);
/** In steps: of doubles nearly all are next to nothing. */
const share = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);

describe('the difference of a snapshot file and the live keys', () => {
  it('is what the history of both says, compacted or not, in pages of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        history,
        share,
        share,
        fc.integer({ min: 1, max: 9 }),
        async (entries, cut, compacted, pageKeys) => {
          const last = entries.at(-1)?.main ?? 1;
          const taken = Math.round(1 + cut * (last - 1));
          const compactRevision = Math.round(1 + compacted * (taken - 1));
          const before = entries.filter(({ main }) => main <= taken);
          const path = snapshotOf(compact(before, compactRevision, true), compactRevision);
          const difference = await differenceFromLive(path, pagesOf(entries, pageKeys));
          expect(difference).toMatchObject({ snapshotRevision: taken, liveRevision: last });
          expect(countsOf(difference)).toEqual(naiveDifference(liveKeys(before, taken), liveKeys(entries, last)));
        },
      ),
      { seed, numRuns: 200 },
    );
  });

  it('is that everything comes back where nothing is live', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (entries) => {
        const last = entries.at(-1)?.main ?? 1;
        const difference = await differenceFromNothing(snapshotOf(entries));
        expect(difference).toMatchObject({ snapshotRevision: last, liveRevision: null });
        expect(countsOf(difference)).toEqual(naiveDifference(liveKeys(entries, last), new Map()));
      }),
      { seed, numRuns: 50 },
    );
  });

  it('tells a key that was deleted and created again from one that stayed', async () => {
    const before = [[put('/registry/secrets/ns/again'), put('/registry/secrets/ns/stays')]];
    const after = [
      ...before,
      [{ key: '/registry/secrets/ns/again', value: undefined }],
      [put('/registry/secrets/ns/again')],
    ];
    const difference = await differenceFromLive(snapshotOf(entriesOf(before)), pagesOf(entriesOf(after)));
    expect(countsOf(difference)).toEqual({ secrets: { comesBack: 0, vanishes: 0, reverted: 1, same: 1 } });
  });

  it('names namespaces, nodes and custom resources below their prefix, whichever it is', async () => {
    const before = [
      [put('/registry/namespaces/shop')],
      [put('/registry/minions/worker-1')],
      [put('/registry/example.com/widgets/shop/one', '{}'), put('/registry/example.com/clusters/big', '{}')],
      [put('/registry/secrets/shop/password')],
      [put('/tenant/namespaces/of-a-tenant')],
    ];
    const { named, resources } = await differenceFromNothing(snapshotOf(entriesOf(before)));
    expect(named.comesBack).toEqual([
      'namespaces/of-a-tenant',
      'namespaces/shop',
      'nodes/worker-1',
      'example.com/clusters/big',
      'example.com/widgets/shop/one',
    ]);
    expect(resources.map(({ resource }) => resource)).toEqual([
      'example.com/clusters',
      'example.com/widgets',
      'namespaces',
      'nodes',
      'secrets',
    ]);
  });

  it('counts what is not of Kubernetes apart, live or not, and never by name', async () => {
    const before = [[put('/app/namespaces/x', 'no object'), put('compact_rev_key', '7'), put('plain', 'x')]];
    const after = [
      ...before,
      [put('/app/minions/y', 'no object')],
      [put('compact_rev_key', '9')],
      [put('/registry/', '')],
    ];
    const difference = await differenceFromLive(snapshotOf(entriesOf(before)), pagesOf(entriesOf(after)));
    expect(difference.resources).toEqual([
      { resource: 'other', churn: false, comesBack: 0, vanishes: 2, reverted: 0, same: 2 },
      { resource: 'compact_rev_key', churn: true, comesBack: 0, vanishes: 0, reverted: 1, same: 0 },
    ]);
    expect(difference.named.vanishes).toEqual([]);
  });

  it('leaves out the entry without a name that a restore adds to bump the revision', async () => {
    const entries = entriesOf([[put('/registry/secrets/ns/one')]]);
    const bump = {
      main: 1_000_002,
      userKey: '',
      deletes: false,
      key: revisionKey(1_000_002, 0),
      value: Buffer.alloc(0),
    };
    const path = snapshotOf([...entries, bump], 1_000_002);
    const difference = await differenceFromLive(path, pagesOf(entries));
    expect(difference.snapshotRevision).toBe(1_000_002);
    expect(countsOf(difference)).toEqual({ secrets: { comesBack: 0, vanishes: 0, reverted: 0, same: 1 } });
  });

  it('tells revisions beyond 2^32 apart', async () => {
    const high = 2 ** 32 + 5;
    const [entry] = entriesOf([[put('/registry/secrets/ns/one')]]);
    const raised = (main: number): HistoryEntry[] =>
      entry === undefined ? [] : [{ ...entry, main, key: revisionKey(main, 0) }];
    const path = snapshotOf(raised(high));
    expect(countsOf(await differenceFromLive(path, pagesOf(raised(high))))).toMatchObject({ secrets: { same: 1 } });
    for (const other of [5, high + 1, 2 * 2 ** 32 + 5]) {
      const difference = await differenceFromLive(path, pagesOf(raised(other)));
      expect(countsOf(difference)).toMatchObject({ secrets: { reverted: 1 } });
    }
  });
});

describe('reading the difference', () => {
  it('reports progress up to the whole, and ends with the reason of its signal', async () => {
    const path = snapshotOf(entriesOf([[put('/registry/secrets/ns/one')]]));
    const seen: number[] = [];
    await differenceFromNothing(path, { onProgress: (done, total) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    const controller = new AbortController();
    const reason = new Error('enough');
    const pages = async function* () {
      for await (const page of pagesOf([])) {
        controller.abort(reason);
        yield page;
      }
    };
    await expect(differenceFromLive(path, pages(), { signal: controller.signal })).rejects.toBe(reason);
  });

  it('fails as the live keys fail', async () => {
    const failure = new Error('compacted meanwhile');
    const pages = async function* () {
      yield* pagesOf([]);
      throw failure;
    };
    await expect(differenceFromLive(snapshotOf([]), pages())).rejects.toBe(failure);
  });

  it('refuses a file that is none, and one that is not as etcd writes it', async () => {
    await expect(differenceFromNothing('/no/such/file.db')).rejects.toThrow(NotFoundError);
    const buckets = etcdBuckets([], {}, { key: { 'no revision': Buffer.from('x') } });
    const path = write(withTrailer(writeBoltFile(buckets)));
    await expect(differenceFromNothing(path)).rejects.toThrow(CorruptSnapshotError);
  });
});
