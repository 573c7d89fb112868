import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashKeyspace, readSnapshotFile } from '../../../lambdas/datastores/etcd/file/snapshot-file.ts';
import { RevisionUnavailableError } from '../../../lambdas/domain/errors.ts';
import { seed } from '../../suite/seed.ts';
import { writeBoltFile } from './bolt-writer.ts';
import { type Change, compact, entriesOf, etcdBuckets, hashKV, type HistoryEntry, liveKeys } from './history.ts';
import { temporaryFiles, withTrailer } from './snapshot-fixture.ts';

// Properties take seconds where other suites run beside them.
const write = temporaryFiles();

function snapshotOf(
  entries: readonly HistoryEntry[],
  compaction: { finished?: number; scheduled?: number } = {},
): string {
  return write(withTrailer(writeBoltFile(etcdBuckets(entries, compaction), { mostEntries: 5, pageSizeBytes: 1024 })));
}

const change: fc.Arbitrary<Change> = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  value: fc.option(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
});
const transaction = fc.uniqueArray(change, { minLength: 1, maxLength: 3, selector: ({ key }) => key });
const history = fc.array(transaction, { maxLength: 25 }).map(entriesOf);
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** A whole number from `low` to `high`, by a share of the way. */
function between(low: number, high: number, at: number): number {
  return low + Math.floor(at * (high - low + 1) * 0.999_999);
}

describe('HashKV of a snapshot file', () => {
  it('is what etcd computes, with and without a compaction, whatever became of a deletion exactly at it', async () => {
    await fc.assert(
      fc.asyncProperty(history, share, fc.boolean(), fc.boolean(), async (entries, at, compacts, keepsDeletion) => {
        const last = entries.at(-1)?.main ?? 1;
        const compactRevision = compacts ? between(1, last, at) : -1;
        const left = compacts ? compact(entries, compactRevision, keepsDeletion) : entries;
        const facts = await readSnapshotFile(snapshotOf(left, compacts ? { finished: compactRevision } : {}));
        expect(facts.revision).toBe(Math.max(left.at(-1)?.main ?? 1, compactRevision, 1));
        expect(facts.compactRevision).toBe(compactRevision);
        expect(facts.keys).toBe(liveKeys(left, facts.revision).size);
        expect(facts.keyspaceHash).toEqual({
          hash: hashKV(left, facts.revision, compactRevision),
          revision: facts.revision,
          compactRevision,
        });
      }),
      { seed, numRuns: 200 },
    );
  });

  it('taken before a compaction foretells the hash that a member gives after it, at any later revision', async () => {
    await fc.assert(
      fc.asyncProperty(history, share, share, share, async (entries, first, second, third) => {
        const last = entries.at(-1)?.main ?? 1;
        const before = between(1, last, first);
        const compactRevision = between(before, last, second);
        const revision = between(compactRevision, last, third);
        const snapshot = snapshotOf(compact(entries, before, true), { finished: before });
        const member = compact(entries, compactRevision, true);
        expect(await hashKeyspace(snapshot, revision, compactRevision)).toEqual({
          hash: hashKV(member, revision, compactRevision),
          revision,
          compactRevision,
        });
      }),
      { seed, numRuns: 200 },
    );
  });

  it('counts a compaction that was begun and not finished, as a member does that starts on the file', async () => {
    const entries = entriesOf([
      [{ key: 'a', value: Buffer.from('1') }],
      [{ key: 'a', value: Buffer.from('2') }],
      [{ key: 'b', value: Buffer.from('3') }],
    ]);
    const facts = await readSnapshotFile(snapshotOf(entries, { finished: 2, scheduled: 3 }));
    expect(facts.compactRevision).toBe(3);
    expect(facts.keyspaceHash.hash).toBe(hashKV(compact(entries, 3, true), 4, 3));
  });

  it('is not given for revisions that the file does not hold', async () => {
    const value = Buffer.from('value');
    const path = snapshotOf(entriesOf([[{ key: 'a', value }], [{ key: 'b', value }], [{ key: 'c', value }]]), {
      finished: 2,
    });
    await expect(hashKeyspace(path, 5, 2)).rejects.toThrow(/holds revisions 2 to 4, not revision 5/);
    await expect(hashKeyspace(path, 4, 1)).rejects.toThrow(RevisionUnavailableError);
    await expect(hashKeyspace(path, 2, 3)).rejects.toThrow(RevisionUnavailableError);
    await expect(hashKeyspace(path, 4, 3)).resolves.toMatchObject({ revision: 4, compactRevision: 3 });
  });
});
