import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigurationError, NotFoundError, StoreUnavailableError } from '../../../lambdas/domain/errors.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { partSizeBytes } from '../../../lambdas/store/s3-upload.ts';
import { listAll, patternedBytes, readAll } from './bytes.ts';
import { SUBJECTS, type Place, type Subject } from './store-subjects.ts';

const PART_BYTES = partSizeBytes();

describe.each(SUBJECTS)('object store: %s', (_name, open) => {
  let subject: Subject;
  let place: Place;
  let store: ObjectStore;

  beforeAll(async () => {
    subject = await open();
    place = await subject.place();
    ({ store } = place);
  }, 600_000);
  afterAll(() => subject.close());

  describe('remove', () => {
    it('takes one object away and leaves its neighbours', async () => {
      await store.put('remove/a/one', Buffer.from('1'));
      await store.put('remove/a/two', Buffer.from('2'));
      await store.remove('remove/a/one');
      expect(await store.head('remove/a/one')).toBeUndefined();
      await expect(store.read('remove/a/one')).rejects.toThrow(NotFoundError);
      expect((await listAll(store, 'remove/')).map(({ key }) => key)).toEqual(['remove/a/two']);
      await store.remove('remove/a/two');
      expect(await listAll(store, 'remove/')).toEqual([]);
    });

    it('does nothing when the object is absent', async () => {
      await store.remove('remove/nothing');
      await store.remove('remove/nothing/at/all');
    });

    it('lets the key be written again', async () => {
      await store.put('remove/again', Buffer.from('1'), { ifAbsent: true });
      await store.remove('remove/again');
      await store.put('remove/again', Buffer.from('2'), { ifAbsent: true });
      expect(await readAll(await store.read('remove/again'))).toEqual(Buffer.from('2'));
    });

    it('leaves nothing of an object that was overwritten', async () => {
      for (const content of ['1', '2', '3']) await store.put('remove/often', Buffer.from(content));
      await store.put('remove/often-not', Buffer.from('1'));
      await store.remove('remove/often');
      expect(await place.countStored('remove/often')).toBe(1);
      expect(await store.head('remove/often-not')).toBeDefined();
    });

    it('may be asked for by several at once', async () => {
      await store.put('remove/together', Buffer.from('1'));
      await Promise.all(Array.from({ length: 5 }, () => store.remove('remove/together')));
      expect(await place.countStored('remove/together')).toBe(0);
    });

    it('does not disturb those who put into the folder that it empties', async () => {
      for (let round = 0; round < 20; round += 1) {
        await store.put('remove/busy/old', Buffer.from('old'));
        await Promise.all([
          store.remove('remove/busy/old'),
          store.put('remove/busy/new', Buffer.from('new'), { ifAbsent: true }),
        ]);
        expect(await store.head('remove/busy/new')).toBeDefined();
        await store.remove('remove/busy/new');
      }
    });
  });

  describe('history', () => {
    it('tells whether there is anything under a key', async () => {
      for (const key of ['history/one', 'history/one-more', 'history/nothing-but-this']) {
        await store.put(key, Buffer.from('1'));
      }
      expect(await store.history('history/one')).toEqual({ versions: 1, lock: undefined });
      await store.remove('history/one');
      expect(await store.history('history/one')).toEqual({ versions: 0, lock: undefined });
      expect(await store.history('history/nothing')).toEqual({ versions: 0, lock: undefined });
    });
  });

  describe('unfinished uploads', () => {
    const unfinished = async (prefix: string) => Array.fromAsync(store.unfinishedUploads(prefix));

    it('are told with their time, and no longer once they are complete or aborted', async () => {
      const { modifiedAt } = await store.put('unfinished/before', Buffer.from('1'));
      const uploads = await Promise.all(['a', 'b'].map((name) => store.beginUpload(`unfinished/${name}`)));
      for (const upload of uploads) await upload.write(patternedBytes(PART_BYTES + 1));
      const told = await unfinished('unfinished/');
      expect(told).toHaveLength(2);
      // S3 tells whole seconds.
      for (const { activeAt } of told) expect(activeAt.getTime()).toBeGreaterThan(modifiedAt.getTime() - 1000);
      expect(['unfinished/a', 'unfinished/b', undefined]).toEqual(expect.arrayContaining(told.map(({ key }) => key)));
      await uploads[0]?.complete();
      await uploads[1]?.abort();
      expect(await unfinished('unfinished/')).toEqual([]);
    });

    it('are gone when they are discarded, as whoever still writes them is told', async () => {
      const upload = await store.beginUpload('unfinished/discarded', { ifAbsent: true });
      await upload.write(patternedBytes(PART_BYTES + 1));
      const [told] = await unfinished('unfinished/');
      await told?.discard();
      await told?.discard();
      expect(await place.countUnfinished()).toBe(0);
      await expect(upload.complete()).rejects.toThrow(StoreUnavailableError);
      await upload.abort();
      expect(await store.head('unfinished/discarded')).toBeUndefined();
      expect(await place.countUnfinished()).toBe(0);
    });

    it('of nobody are an empty list', async () => {
      expect(await unfinished('unfinished/')).toEqual([]);
      await expect(unfinished('../')).rejects.toThrow(ConfigurationError);
    });
  });
});
