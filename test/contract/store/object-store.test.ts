import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigurationError, ConflictError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { partSizeBytes } from '../../../lambdas/store/s3-upload.ts';
import { listAll, patternedBytes, readAll, sha256, uploadAll } from './bytes.ts';
import { atAnotherTime } from '../../suite/another-time.ts';
import { SUBJECTS, type Place, type Subject } from './store-subjects.ts';

// Disks of busy machines take their time to confirm a write.
const PART_BYTES = partSizeBytes();
const RACERS = 20;

describe.each(SUBJECTS)('object store: %s', (_name, open) => {
  let subject: Subject;
  let store: ObjectStore;
  let countUnfinished: Place['countUnfinished'];

  beforeAll(async () => {
    subject = await open();
    ({ store, countUnfinished } = await subject.place());
  }, 600_000);
  afterAll(() => subject.close());

  const ageOf = async (key: string) => {
    const { stored, at } = await store.observe(key);
    return at.getTime() - (stored?.modifiedAt.getTime() ?? NaN);
  };

  describe('put', () => {
    it('gives back what it wrote, in a look, a listing and a read', async () => {
      const body = Buffer.from('content');
      const stored = await store.put('put/one.json', body);
      expect(stored).toMatchObject({ key: 'put/one.json', sizeBytes: body.byteLength });
      const { key, sizeBytes, etag } = stored;
      expect(await store.head(key)).toMatchObject({ key, sizeBytes, etag });
      expect(await listAll(store, key)).toEqual([expect.objectContaining({ key, sizeBytes, etag })]);
      expect(await readAll(await store.read(key))).toEqual(body);
    });

    it('says by its own clock when it was looked at, whatever the clock of this machine says', async () => {
      const before = await store.observe('put/observed');
      expect(before.stored).toBeUndefined();
      await store.put('put/observed', Buffer.from('1'));
      const { stored, at } = await store.observe('put/observed');
      expect(stored).toEqual(await store.head('put/observed'));
      // To the second, in S3.
      expect(await ageOf('put/observed')).toBeGreaterThan(-1_001);
      const { at: later } = await atAnotherTime(-10 * 60_000, async () => {
        await store.put('put/observed', Buffer.from('2'));
        return await store.observe('put/observed');
      });
      expect(later.getTime()).toBeGreaterThanOrEqual(at.getTime() - 1);
      expect(await atAnotherTime(10 * 60_000, () => ageOf('put/observed'))).toBeLessThan(5 * 60_000);
    });

    it('overwrites without a condition and changes the etag', async () => {
      const first = await store.put('put/two', Buffer.from('aaaa'));
      const second = await store.put('put/two', Buffer.from('bbbb'));
      expect(second.etag).not.toBe(first.etag);
      expect(await readAll(await store.read('put/two'))).toEqual(Buffer.from('bbbb'));
    });

    it('refuses to replace what exists when it must be absent', async () => {
      await store.put('put/three', Buffer.from('first'), { ifAbsent: true });
      await expect(store.put('put/three', Buffer.from('second'), { ifAbsent: true })).rejects.toThrow(ConflictError);
      expect(await readAll(await store.read('put/three'))).toEqual(Buffer.from('first'));
    });

    it(`lets exactly one of ${RACERS} writers win when it must be absent`, async () => {
      const bodies = Array.from({ length: RACERS }, (_, racer) => Buffer.from(`racer ${racer}`));
      const results = await Promise.allSettled(bodies.map((body) => store.put('put/race', body, { ifAbsent: true })));
      const winners = bodies.filter((_, racer) => results[racer]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect(await readAll(await store.read('put/race'))).toEqual(winners[0]);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ConflictError);
      }
    });

    it('replaces what was read, and nothing else', async () => {
      const read = await store.put('put/lease', Buffer.from('1'));
      const replaced = await store.put('put/lease', Buffer.from('2'), { ifMatch: read.etag });
      await expect(store.put('put/lease', Buffer.from('3'), { ifMatch: read.etag })).rejects.toThrow(ConflictError);
      expect(await store.head('put/lease')).toMatchObject({ etag: replaced.etag });
    });

    it('refuses to replace what was read and is gone', async () => {
      const { etag } = await store.put('put/gone', Buffer.from('1'));
      await store.remove('put/gone');
      await expect(store.put('put/gone', Buffer.from('2'), { ifMatch: etag })).rejects.toThrow(ConflictError);
      expect(await store.head('put/gone')).toBeUndefined();
    });

    it(`lets exactly one of ${RACERS} writers replace what all have read`, async () => {
      const { etag } = await store.put('put/swap', Buffer.from('start'));
      const bodies = Array.from({ length: RACERS }, (_, racer) => Buffer.from(`racer ${racer}`));
      const results = await Promise.allSettled(bodies.map((body) => store.put('put/swap', body, { ifMatch: etag })));
      const winners = bodies.filter((_, racer) => results[racer]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect(await readAll(await store.read('put/swap'))).toEqual(winners[0]);
    });

    it('never shows a reader anything between two contents', async () => {
      const contents = [patternedBytes(300_000, 1), patternedBytes(300_000, 2)].map((bytes) => ({
        bytes,
        hash: sha256(bytes),
      }));
      const hashes = contents.map(({ hash }) => hash);
      const progress = { writing: true };
      const write = async (): Promise<void> => {
        for (let round = 0; round < 10; round += 1)
          for (const { bytes } of contents) await store.put('put/busy', bytes);
        progress.writing = false;
      };
      await store.put('put/busy', contents[0]?.bytes ?? Buffer.alloc(0));
      const written = write();
      while (progress.writing) expect(hashes).toContain(sha256(await readAll(await store.read('put/busy'))));
      await written;
    });

    it.each([
      '',
      '/absolute',
      'a//b',
      'a/',
      '../up',
      'a/../b',
      'a/.',
      '.uploads/x',
      'a\0b',
      'a\nb',
      '\ud800',
      'x'.repeat(1025),
    ])('refuses the key %j', async (key) => {
      await expect(store.put(key, Buffer.from('x'))).rejects.toThrow(ConfigurationError);
      await expect(store.beginUpload(key)).rejects.toThrow(ConfigurationError);
      await expect(store.head(key)).rejects.toThrow(ConfigurationError);
      await expect(store.read(key)).rejects.toThrow(ConfigurationError);
      await expect(store.remove(key)).rejects.toThrow(ConfigurationError);
      await expect(store.history(key)).rejects.toThrow(ConfigurationError);
    });

    it('refuses a key that is a folder of other keys, or lies below an object', async () => {
      await store.put('put/folder/object', Buffer.from('x'));
      await expect(store.put('put/folder', Buffer.from('x'))).rejects.toThrow(ConflictError);
      await expect(store.put('put/folder/object/below', Buffer.from('x'))).rejects.toThrow(ConflictError);
      expect(await store.head('put/folder')).toBeUndefined();
      expect(await store.head('put/folder/object/below')).toBeUndefined();
      await expect(store.read('put/folder')).rejects.toThrow(NotFoundError);
    });
  });

  describe('upload', () => {
    const sizes = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 12_345];
    it.each(sizes)('stores %d bytes as they were written', async (sizeBytes) => {
      const bytes = patternedBytes(sizeBytes);
      const key = `upload/${sizeBytes}`;
      const { etag } = await uploadAll(store, key, bytes, { ifAbsent: true });
      expect(await store.head(key)).toMatchObject({ key, sizeBytes, etag });
      expect(sha256(await readAll(await store.read(key)))).toBe(sha256(bytes));
      expect(await countUnfinished()).toBe(0);
    });

    it('shows nothing before it is complete', async () => {
      const upload = await store.beginUpload('upload/half');
      await upload.write(patternedBytes(PART_BYTES + 1));
      expect(await countUnfinished()).toBe(1);
      expect(await store.head('upload/half')).toBeUndefined();
      expect(await listAll(store, 'upload/half')).toEqual([]);
      expect((await listAll(store, '')).map(({ key }) => key)).not.toContain('upload/half');
      await expect(store.read('upload/half')).rejects.toThrow(NotFoundError);
      await upload.complete();
      expect(await store.head('upload/half')).toBeDefined();
    });

    it.each([0, 10, PART_BYTES + 1, 5 * PART_BYTES])(
      'leaves nothing when it is aborted after %d bytes',
      async (sizeBytes) => {
        const upload = await store.beginUpload('upload/aborted');
        await upload.write(patternedBytes(sizeBytes));
        await upload.abort();
        await upload.abort();
        expect(await store.head('upload/aborted')).toBeUndefined();
        expect(await countUnfinished()).toBe(0);
      },
    );

    it('is not taken back by an abort once it is complete', async () => {
      const upload = await store.beginUpload('upload/kept');
      await upload.write(Buffer.from('kept'));
      await upload.complete();
      await upload.abort();
      expect(await store.head('upload/kept')).toBeDefined();
    });

    it.each([10, PART_BYTES + 10])(
      'of %d bytes loses to an object that appeared in the meantime',
      async (sizeBytes) => {
        const key = `upload/late-${sizeBytes}`;
        const upload = await store.beginUpload(key, { ifAbsent: true });
        await upload.write(patternedBytes(sizeBytes));
        await store.put(key, Buffer.from('first'));
        await expect(upload.complete()).rejects.toThrow(ConflictError);
        await upload.abort();
        expect(await readAll(await store.read(key))).toEqual(Buffer.from('first'));
        expect(await countUnfinished()).toBe(0);
      },
    );

    it.each([10, PART_BYTES + 10])('of %d bytes replaces what was read, and nothing else', async (sizeBytes) => {
      const key = `upload/swap-${sizeBytes}`;
      const { etag } = await store.put(key, Buffer.from('read'));
      await uploadAll(store, key, patternedBytes(sizeBytes), { ifMatch: etag });
      await expect(uploadAll(store, key, patternedBytes(sizeBytes, 1), { ifMatch: etag })).rejects.toThrow(
        ConflictError,
      );
      expect(sha256(await readAll(await store.read(key)))).toBe(sha256(patternedBytes(sizeBytes)));
      expect(await countUnfinished()).toBe(0);
    });

    it('leaves one object and nothing else when several upload the same key', async () => {
      const contents = [0, 1, 2, 3].map((racer) => patternedBytes(PART_BYTES + 100, racer));
      const results = await Promise.allSettled(
        contents.map((bytes) => uploadAll(store, 'upload/race', bytes, { ifAbsent: true })),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const winner = contents[results.findIndex(({ status }) => status === 'fulfilled')];
      expect(sha256(await readAll(await store.read('upload/race')))).toBe(sha256(winner ?? Buffer.alloc(0)));
      expect(await countUnfinished()).toBe(0);
    });
  });

  describe('read', () => {
    const bytes = patternedBytes(1000);
    beforeAll(() => store.put('read/object', bytes));

    it.each([
      [0, 0],
      [0, 999],
      [999, 999],
      [1, 998],
      [500, 500],
      [990, 5000],
      [1000, 1000],
      [5000, 6000],
    ])('gives bytes %d to %d, cut at the end of the object', async (start, end) => {
      expect(await readAll(await store.read('read/object', { start, end }))).toEqual(bytes.subarray(start, end + 1));
    });

    it.each([
      [5, 4],
      [-1, 3],
      [0.5, 3],
      [0, Number.NaN],
    ])('refuses the range %d to %d', async (start, end) => {
      await expect(store.read('read/object', { start, end })).rejects.toThrow(RangeError);
    });

    it('says when there is nothing of that name', async () => {
      await expect(store.read('read/nothing')).rejects.toThrow(NotFoundError);
      await expect(store.read('read/nothing/at/all', { start: 0, end: 3 })).rejects.toThrow(NotFoundError);
    });

    it('can be left at any point', async () => {
      (await store.read('read/object')).destroy();
      for await (const chunk of await store.read('read/object')) {
        expect((chunk as Buffer).byteLength).toBeGreaterThan(0);
        break;
      }
    });

    it('passes on the error it was destroyed with', async () => {
      await uploadAll(store, 'read/large', patternedBytes(PART_BYTES));
      const stream = await store.read('read/large');
      const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' });
      await expect(
        (async () => {
          for await (const chunk of stream) if ((chunk as Buffer).byteLength > 0) stream.destroy(reason);
        })(),
      ).rejects.toBe(reason);
    });
  });

  describe('list', () => {
    // Sorted as bytes, which is neither the order of UTF-16 (the last two) nor that of folders ("a/b" after "a.b").
    const odd = [
      "a!'()*",
      'a b+c%20&d=e',
      'a"<>`{}|^~\\',
      'a-b',
      'a.b',
      'a/b',
      'a/c-d',
      'a/c/d',
      'ab',
      'a\u0308',
      'ä',
      '\uFF5E',
      '😀',
    ].map((name) => `odd/${name}`);

    it('comes in ascending order of bytes, whatever the names', async () => {
      for (const key of odd.toReversed()) await store.put(key, Buffer.from(key));
      const listed = (await listAll(store, 'odd/')).map(({ key }) => key);
      expect(listed).toEqual(odd.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      for (const key of odd) expect(await readAll(await store.read(key))).toEqual(Buffer.from(key));
    });

    it('holds what begins with the prefix, also within a segment', async () => {
      expect((await listAll(store, 'odd/a/c')).map(({ key }) => key)).toEqual(['odd/a/c-d', 'odd/a/c/d']);
      expect((await listAll(store, 'odd/a/c/')).map(({ key }) => key)).toEqual(['odd/a/c/d']);
      expect(await listAll(store, 'odd/nothing')).toEqual([]);
      expect(await listAll(store, 'nothing/at/all/')).toEqual([]);
    });

    it('refuses to leave the store', async () => {
      await expect(listAll(store, '../')).rejects.toThrow(ConfigurationError);
    });

    it('is complete and in order over more keys than a page of S3 holds', async () => {
      const keys = Array.from({ length: 1203 }, (_, index) => `many/${index % 7}/${index}.json`);
      for (let index = 0; index < keys.length; index += 50) {
        await Promise.all(
          keys.slice(index, index + 50).map((key) => store.put(key, Buffer.from('{}'), { ifAbsent: true })),
        );
      }
      expect((await listAll(store, 'many/')).map(({ key }) => key)).toEqual(keys.toSorted());
    });

    it('can be left at any point', async () => {
      for await (const { key } of store.list('odd/')) {
        expect(key).toBe('odd/a b+c%20&d=e');
        break;
      }
    });
  });
});
