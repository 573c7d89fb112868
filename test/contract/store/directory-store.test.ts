import { access, mkdir, mkdtemp, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigurationError, PermissionError, StoreUnavailableError } from '../../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { requireCommand, runCommand } from '../../testbed/command.ts';
import { listAll, patternedBytes, readAll, uploadAll } from './bytes.ts';

const DAY_MILLISECONDS = 24 * 3600 * 1000;

describe('directory store', () => {
  let directory: string;
  let store: DirectoryStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lifeboat-store-'));
    store = new DirectoryStore(directory);
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** Makes a file look as if it was written so long ago. */
  async function age(path: string, milliseconds: number): Promise<void> {
    const then = new Date(Date.now() - milliseconds);
    await utimes(path, then, then);
  }

  it('is empty and creates nothing before the first write', async () => {
    const fresh = new DirectoryStore(join(directory, 'not/there'));
    expect(await listAll(fresh, '')).toEqual([]);
    expect(await fresh.head('a')).toBeUndefined();
    await fresh.remove('a');
    expect(await readdir(directory)).toEqual([]);
  });

  it('lets nobody but its owner read what it writes', async () => {
    await store.put('a/b/c.json', Buffer.from('secret'));
    const mode = async (path: string): Promise<string> =>
      ((await stat(join(directory, path))).mode & 0o777).toString(8);
    expect(await Promise.all(['a', 'a/b', '.uploads', '.lock', 'a/b/c.json'].map(mode))).toEqual([
      '700',
      '700',
      '700',
      '700',
      '600',
    ]);
    const upload = await store.beginUpload('large');
    const [unfinished = ''] = await readdir(join(directory, '.uploads'));
    expect(await mode(`.uploads/${unfinished}`)).toBe('600');
    await upload.abort();
  });

  it('takes empty folders away with the last object in them', async () => {
    await store.put('a/b/c', Buffer.from('1'));
    await store.put('a/d', Buffer.from('2'));
    await store.remove('a/b/c');
    expect(await readdir(join(directory, 'a'))).toEqual(['d']);
    await store.remove('a/d');
    await expect(access(join(directory, 'a'))).rejects.toThrow();
  });

  it('lists neither its own files nor hidden ones of others', async () => {
    await store.put('a', Buffer.from('1'));
    await writeFile(join(directory, '.uploads', 'abandoned'), 'x');
    await writeFile(join(directory, '.DS_Store'), 'x');
    expect((await listAll(store, '')).map(({ key }) => key)).toEqual(['a']);
  });

  it('sweeps what dead processes left, and no upload under way', async () => {
    await mkdir(join(directory, '.uploads'));
    for (const name of ['old', 'recent']) await writeFile(join(directory, '.uploads', name), 'x');
    await age(join(directory, '.uploads', 'old'), DAY_MILLISECONDS + 60_000);
    await age(join(directory, '.uploads', 'recent'), DAY_MILLISECONDS - 60_000);
    await store.put('a', Buffer.from('1'));
    expect(await readdir(join(directory, '.uploads'))).toEqual(['recent']);
  });

  it('refuses a retention lock, which a directory can not give, and writes nothing', async () => {
    const retainUntil = new Date('2030-01-01T00:00:00Z');
    await expect(store.put('a', Buffer.from('1'), { retainUntil })).rejects.toThrow(ConfigurationError);
    await expect(store.beginUpload('a', { retainUntil })).rejects.toThrow(/2030-01-01T00:00:00.000Z.*no locks/);
    expect(await readdir(directory)).toEqual([]);
  });

  it('gives another etag to another content of the same size, however fast it is written', async () => {
    const etags = new Set<string>();
    for (let count = 0; count < 200; count += 1) etags.add((await store.put('a', Buffer.from([count]))).etag);
    expect(etags.size).toBe(200);
  });

  it.each([
    ['several processes', 0],
    ["several machines whose clock is ahead of the file server's", 40_000],
  ])('loses no conditional overwrite of %s', async (_, aheadMilliseconds) => {
    const [processes, times] = [4, 25];
    await store.put('counter', Buffer.from('0'));
    const script = join(import.meta.dirname, 'counting-writer.ts');
    await Promise.all(
      Array.from({ length: processes }, () =>
        requireCommand(process.execPath, [script, directory, String(times), String(aheadMilliseconds)]),
      ),
    );
    expect(await readFile(join(directory, 'counter'), 'utf8')).toBe(String(processes * times));
    expect(await readdir(join(directory, '.uploads'))).toEqual([]);
    expect((await readdir(join(directory, '.lock'))).map(Number)).toEqual([expect.any(Number)]);
  });

  it('takes over the lock of a process that died holding it', async () => {
    await mkdir(join(directory, '.lock'));
    await (await open(join(directory, '.lock', '7'), 'wx')).close();
    await age(join(directory, '.lock', '7'), 31_000);
    await store.put('a', Buffer.from('1'));
    expect(await readAll(await store.read('a'))).toEqual(Buffer.from('1'));
    expect(await readdir(join(directory, '.lock'))).toEqual(['8']);
  });
});

/** Whether this machine lets us mount: not every container of root does. */
async function canMount(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  return (await runCommand('unshare', ['--mount', 'true'])).exitCode === 0;
}
const mounting = await canMount();

describe('directory store on a filesystem in trouble', () => {
  let mountPoint: string;
  let store: DirectoryStore;
  const SIZE_BYTES = 1024 * 1024;

  beforeAll(async () => {
    mountPoint = await mkdtemp(join(tmpdir(), 'lifeboat-full-'));
    store = new DirectoryStore(mountPoint);
  });
  afterAll(async () => {
    await requireCommand('chmod', ['-R', 'u+w', mountPoint]);
    await rm(mountPoint, { recursive: true });
  });

  async function mounted(work: () => Promise<void>): Promise<void> {
    await requireCommand('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'lifeboat-test', mountPoint]);
    try {
      await work();
    } finally {
      await requireCommand('umount', [mountPoint]);
    }
  }

  (mounting ? it : it.skip)('says that the disk is full and leaves nothing half written', async () => {
    await mounted(async () => {
      const tooMuch = patternedBytes(2 * SIZE_BYTES);
      const full = /could not write .*: no space left \(ENOSPC\)/;
      await expect(store.put('a', tooMuch)).rejects.toThrow(full);
      await expect(uploadAll(store, 'a', tooMuch)).rejects.toThrow(StoreUnavailableError);
      expect(await store.head('a')).toBeUndefined();
      expect(await readdir(join(mountPoint, '.uploads'))).toEqual([]);
      await store.put('a', patternedBytes(SIZE_BYTES / 2));
      await expect(store.put('a', tooMuch)).rejects.toThrow(full);
      expect(await readAll(await store.read('a'))).toEqual(patternedBytes(SIZE_BYTES / 2));
    });
  });

  it('says that the directory can not be written, and still reads', async () => {
    const work = async (forbidWriting: () => Promise<unknown>): Promise<void> => {
      await store.put('a', Buffer.from('1'));
      await forbidWriting();
      await expect(store.put('b', Buffer.from('2'))).rejects.toThrow(PermissionError);
      await expect(store.remove('a')).rejects.toThrow(
        /could not remove .*: (the filesystem is read-only|permission denied)/,
      );
      expect(await readAll(await store.read('a'))).toEqual(Buffer.from('1'));
    };
    if (mounting) await mounted(() => work(() => requireCommand('mount', ['-o', 'remount,ro', mountPoint])));
    else await work(() => requireCommand('chmod', ['-R', 'u-w', mountPoint]));
  });
});
