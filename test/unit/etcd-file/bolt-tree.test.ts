import { closeSync, fstatSync, openSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Bitmap } from '../../../lambdas/datastores/etcd/file/bitmap.ts';
import { BoltFile, type BucketRef } from '../../../lambdas/datastores/etcd/file/bolt-file.ts';
import { checkFreelist } from '../../../lambdas/datastores/etcd/file/bolt-freelist.ts';
import { leavesOf } from '../../../lambdas/datastores/etcd/file/bolt-tree.ts';
import { FilePageSource } from '../../../lambdas/datastores/etcd/file/page-source.ts';
import { CorruptSnapshotError } from '../../../lambdas/domain/errors.ts';
import { seed } from '../../suite/seed.ts';
import { encodeMeta } from './bolt-pages.ts';
import { type BucketContents, writeBoltFile } from './bolt-writer.ts';
import { temporaryFiles } from './snapshot-fixture.ts';

// Properties take seconds where other suites run beside them.
const write = temporaryFiles();

type Listing = [string, string | Listing][];

/** Everything in a file in the order in which it is read, after the whole walk and the check of the free pages. */
function readAll(database: Buffer): Listing {
  const path = write(database);
  const descriptor = openSync(path, 'r');
  try {
    const file = new BoltFile(new FilePageSource(path, descriptor, fstatSync(descriptor).size));
    const ledger = file.ledger();
    const listing = list(file, file.root, ledger);
    checkFreelist(file, ledger);
    return listing;
  } finally {
    closeSync(descriptor);
  }
}

function list(file: BoltFile, bucket: BucketRef, ledger: Bitmap): Listing {
  const entries: [string, string | BucketRef][] = [];
  for (const leaf of leavesOf(file, bucket, ledger)) {
    for (let index = 0; index < leaf.count; index += 1) {
      const text = (start: number, end: number) =>
        Buffer.from(leaf.view.buffer, leaf.view.byteOffset + start, end - start).toString('latin1');
      const key = text(leaf.keyStart(index), leaf.keyEnd(index));
      const value = leaf.isBucket(index) ? file.bucketAt(leaf, index) : text(leaf.keyEnd(index), leaf.valueEnd(index));
      entries.push([key, value]);
    }
  }
  return entries.map(([key, value]) => [key, typeof value === 'string' ? value : list(file, value, ledger)]);
}

function expected(contents: BucketContents): Listing {
  return Object.entries(contents)
    .sort(([left], [right]) => Buffer.from(left, 'latin1').compare(Buffer.from(right, 'latin1')))
    .map(([key, value]) => [key, Buffer.isBuffer(value) ? value.toString('latin1') : expected(value)]);
}

const key = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const value = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 1000, max: 100_000 }).map((size) => Buffer.alloc(size, size & 255)) },
);
const values = fc.dictionary(key, value, { maxKeys: 60, noNullPrototype: true });
const nested = fc.dictionary(key, fc.oneof(value, values), { maxKeys: 20, noNullPrototype: true });
const contents: fc.Arbitrary<BucketContents> = fc.dictionary(key, fc.oneof(value, values, nested), {
  maxKeys: 12,
  noNullPrototype: true,
});
const options = fc
  .record({
    pageSizeBytes: fc.constantFrom(1024, 4096, 16_384, 65_536),
    mostEntries: fc.constantFrom(2, 3, 7, 1000),
    freelist: fc.boolean(),
    freePages: fc.integer({ min: 0, max: 5 }),
    ranks: fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
  })
  .map(({ ranks, ...rest }) => ({
    ...rest,
    shuffle: (count: number) =>
      Array.from({ length: count }, (_, index) => ({ index, at: ranks[index % ranks.length] ?? 0 }))
        .sort((left, right) => left.at - right.at)
        .map(({ index }) => index),
  }));

describe('walking a bbolt file', () => {
  it('gives back what was written, in order, for any page size, depth, nesting and order of pages', () => {
    fc.assert(
      fc.property(contents, options, (written, how) => {
        expect(readAll(writeBoltFile(written, how))).toEqual(expected(written));
      }),
      { seed, numRuns: 150 },
    );
  });

  it('reads trees many branches deep', () => {
    const written = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`key ${index}`, Buffer.from('v')]));
    expect(readAll(writeBoltFile({ deep: written }, { mostEntries: 2, pageSizeBytes: 1024 }))).toEqual([
      ['deep', expected(written)],
    ]);
  });

  it('reads a list of free pages that is longer than its page counts', () => {
    const database = writeBoltFile({ bucket: {} }, { freelist: true, freePages: 70_000, pageSizeBytes: 1024 });
    expect(readAll(database)).toEqual([['bucket', []]]);
  });

  it('finds the second meta page by trying page sizes when the first is damaged', () => {
    const written = { bucket: { key: Buffer.from('value') } };
    for (const pageSizeBytes of [1024, 4096, 65_536, 1 << 20]) {
      const database = writeBoltFile(written, { pageSizeBytes });
      database[20] = (database[20] ?? 0) ^ 1;
      expect(readAll(database)).toEqual(expected(written));
    }
  });

  it('follows the meta page of the newer transaction, whichever page it is on', () => {
    const written = { bucket: { key: Buffer.from('value') } };
    for (const page of [0, 1]) {
      const database = writeBoltFile(written);
      const older = { pageSizeBytes: 4096, root: 999, freelist: 2n ** 64n - 1n, highWater: 3, transaction: 3 };
      encodeMeta(older, page).copy(database, page * 4096);
      expect(readAll(database)).toEqual(expected(written));
    }
  });
});

describe('refusing a damaged bbolt file', () => {
  const PAGE = 1024;
  /** Pages: 2 to 5 are leaves, 6 and 7 branches over them, 8 the branch over those, 9 the root's leaf, 10 free, 11 the free list. */
  const sample = () =>
    writeBoltFile(
      {
        bucket: Object.fromEntries(
          ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => [name, Buffer.alloc(40, name)]),
        ),
      },
      { pageSizeBytes: PAGE, mostEntries: 2, freelist: true, freePages: 1 },
    );
  const LEAF = 2 * PAGE;
  /** Where a leaf's second key is: after the header, two entries, the first key and its value. */
  const SECOND_KEY = 16 + 32 + 1 + 40;
  const LOW_BRANCH = 6 * PAGE;
  const HIGH_BRANCH = 8 * PAGE;
  const ROOT = 9 * PAGE;
  const FREELIST = 11 * PAGE;

  const damages: [string, RegExp, (file: Buffer) => unknown][] = [
    [
      'a page that says that it is another one',
      /page 3: it says that it is page 4/,
      (file) => file.writeUInt8(4, 3 * PAGE),
    ],
    ['a page of no known type', /page 2: its type 9 is neither/, (file) => file.writeUInt16LE(9, LEAF + 8)],
    ['a meta page in the tree', /page 2: its type 4 is neither/, (file) => file.writeUInt16LE(4, LEAF + 8)],
    ['more entries than fit', /page 2: 500 entries do not fit/, (file) => file.writeUInt16LE(500, LEAF + 10)],
    ['an overflow beyond the file', /page 2: it reaches to page 1000002/, (file) => file.writeUInt32LE(1e6, LEAF + 12)],
    ['an overflow into another page', /page 3: it is used twice/, (file) => file.writeUInt32LE(1, LEAF + 12)],
    ['unknown flags of an entry', /page 2: entry 0 has unknown flags/, (file) => file.writeUInt32LE(2, LEAF + 16)],
    ['a key before the entries end', /page 2: entry 0 lies outside/, (file) => file.writeUInt32LE(8, LEAF + 20)],
    ['a key beyond the page', /page 2: entry 1 lies outside/, (file) => file.writeUInt32LE(PAGE, LEAF + 36)],
    ['an empty key', /page 2: entry 0 has an empty key/, (file) => file.writeUInt32LE(0, LEAF + 24)],
    ['a key of 4 GB', /page 2: entry 0 lies outside/, (file) => file.writeUInt32LE(0xffffffff, LEAF + 24)],
    ['a value of 4 GB', /page 2: entry 1 lies outside/, (file) => file.writeUInt32LE(0xffffffff, LEAF + 44)],
    ['keys out of order', /page 2: entry 1 is not after/, (file) => file.writeUInt8(0x61, LEAF + SECOND_KEY)],
    ['a key before its branch', /page 2: its first key is before/, (file) => file.writeUInt8(0x41, LEAF + 48)],
    [
      'a key that belongs to the next page',
      /page 2: its last key is not before/,
      (file) => file.writeUInt8(0x63, LEAF + SECOND_KEY),
    ],
    [
      'a key that belongs below the next branch',
      /page 3: its last key/,
      (file) => file.writeUInt8(0x65, 3 * PAGE + SECOND_KEY),
    ],
    ['a branch without children', /page 6: it is a branch without/, (file) => file.writeUInt16LE(0, LOW_BRANCH + 10)],
    ['a child that is not in the file', /page 77: it is pointed to/, (file) => file.writeUInt8(77, LOW_BRANCH + 24)],
    ['a child beyond 2^53', /it is pointed to/, (file) => file.fill(0xff, LOW_BRANCH + 24, LOW_BRANCH + 32)],
    ['a child that is a meta page', /page 1: it is pointed to/, (file) => file.writeUInt8(1, LOW_BRANCH + 24)],
    ['a branch that is its own child', /page 8: it is used twice/, (file) => file.writeUInt8(8, HIGH_BRANCH + 24)],
    ['two branches with one child', /page 2: it is used twice/, (file) => file.writeUInt8(2, LOW_BRANCH + 40)],
    ['a bucket that starts outside of the file', /page 99: it is pointed to/, (file) => file.writeUInt8(99, ROOT + 38)],
    ['an inline bucket that is no page', /page 9: a bucket kept inside/, (file) => file.writeUInt8(0, ROOT + 38)],
    [
      'a list of free pages of another type',
      /page 11: it should be the list/,
      (file) => file.writeUInt16LE(2, FREELIST + 8),
    ],
    [
      'more free pages than fit',
      /page 11: 300 free pages do not fit/,
      (file) => file.writeUInt16LE(300, FREELIST + 10),
    ],
    ['a free page outside of the file', /page 11: it lists page 99/, (file) => file.writeUInt8(99, FREELIST + 16)],
    [
      'a page both used and free',
      /page 2: it is in use and listed as free/,
      (file) => file.writeUInt8(2, FREELIST + 16),
    ],
    ['a page neither used nor free', /page 11: 1 pages are neither/, (file) => file.writeUInt16LE(0, FREELIST + 10)],
  ];
  it.each(damages)('names the page with %s', (_, message, damage) => {
    const database = sample();
    damage(database);
    expect(() => readAll(database)).toThrow(message);
    expect(() => readAll(database)).toThrow(CorruptSnapshotError);
  });

  it('names a page with a key of over 32 KiB', () => {
    const database = writeBoltFile({ bucket: { ['k'.repeat(32_769)]: Buffer.alloc(40_000) } });
    expect(() => readAll(database)).toThrow(/page 2: entry 0 has a key of 32769 bytes/);
  });

  it('names a page that is listed as free twice', () => {
    const database = writeBoltFile({ bucket: {} }, { pageSizeBytes: PAGE, freelist: true, freePages: 2 });
    database.copy(database, 5 * PAGE + 24, 5 * PAGE + 16, 5 * PAGE + 24);
    expect(() => readAll(database)).toThrow(/page 3: it is listed as free twice/);
  });

  it('does not follow a chain of branches longer than any tree', () => {
    const chain = 200;
    const database = Buffer.alloc((2 + chain) * PAGE);
    const meta = { pageSizeBytes: PAGE, root: 2, freelist: 2n ** 64n - 1n, highWater: 2 + chain, transaction: 1 };
    encodeMeta(meta, 0).copy(database);
    for (let id = 2; id < 2 + chain; id += 1) {
      database.writeUInt8(id, id * PAGE);
      database.writeUInt32LE(0x0001_0001, id * PAGE + 8);
      database.writeUInt32LE(16, id * PAGE + 16);
      database.writeUInt32LE(1, id * PAGE + 20);
      database.writeUInt8(id + 1, id * PAGE + 24);
      database.writeUInt8(0x61, id * PAGE + 32);
    }
    expect(() => readAll(database)).toThrow(/more than 64 branches deep/);
  });

  it('does not take memory for a leaf that claims most of the file', () => {
    const database = sample();
    const pages = 80 * 1024;
    const meta = { pageSizeBytes: PAGE, root: 2, freelist: 2n ** 64n - 1n, highWater: pages, transaction: 11 };
    encodeMeta(meta, 0).copy(database);
    database.writeUInt32LE(pages - 3, LEAF + 12);
    expect(() => readAll(Buffer.concat([database], pages * PAGE))).toThrow(/page 2: it claims to be \d+ bytes long/);
  });

  it('says so when no meta page is valid', () => {
    for (const file of [
      Buffer.alloc(0),
      Buffer.alloc(10),
      Buffer.alloc(8192),
      Buffer.from('SQLite format 3'.repeat(999)),
    ]) {
      expect(() => readAll(file)).toThrow(/neither of its two meta pages/);
    }
  });

  it('says so when the file is shorter than its pages, or cut while it is read', () => {
    expect(() => readAll(sample().subarray(0, -1))).toThrow(/should hold 12288 bytes of pages and is shorter/);
    const path = write(Buffer.alloc(100));
    const descriptor = openSync(path, 'r');
    try {
      expect(() => new FilePageSource(path, descriptor, 200).read(50, 100)).toThrow(/was cut at byte 100 while/);
      expect(() => new FilePageSource(path, descriptor, 100).read(50, 100)).toThrow(/it ends at byte 100, before 150/);
    } finally {
      closeSync(descriptor);
    }
  });

  it('keeps reading right when more blocks are read than it keeps', () => {
    const contentsBytes = Buffer.alloc(40 * 1024 * 1024);
    for (let at = 0; at < contentsBytes.length; at += 4096) contentsBytes.writeUInt32LE(at, at);
    const path = write(contentsBytes);
    const descriptor = openSync(path, 'r');
    try {
      const source = new FilePageSource(path, descriptor, contentsBytes.length);
      for (let step = 0; step < 3000; step += 1) {
        const at = ((step * 7919) % (contentsBytes.length / 4096)) * 4096;
        expect(source.read(at, 4096).getUint32(0, true)).toBe(at);
      }
    } finally {
      closeSync(descriptor);
    }
  });
});
