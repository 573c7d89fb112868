import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { preparationPod } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { HELPER_EXIT_CODES } from '../../../lambdas/datastores/etcd/restore/helper-scripts.ts';
import { CorruptSnapshotError, UnsupportedError } from '../../../lambdas/domain/errors.ts';
import { stagingPrefix } from '../../../lambdas/domain/staging.ts';
import { refuseUnfitUrl } from '../../../lambdas/platforms/hypershift/restore-snapshot-url.ts';
import { noteStaged, removeStaged, stageSnapshot } from '../../../lambdas/restores/staging.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import type { S3Store } from '../../../lambdas/store/s3-store.ts';
import { startHttpFaultProxy } from '../../testbed/http-fault-proxy.ts';
import { runCommand } from '../../testbed/command.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { commandOf, installedEtcd, memberOf, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import { listAll } from './bytes.ts';
import { withEnvironment } from '../environment.ts';
import { openS3, storeAt, type S3Access } from './s3-access.ts';

const BUCKET = 'staged';
/** More than one part, and nothing that zstd makes smaller. */
const SNAPSHOT = randomBytes(9 * 1024 * 1024);
const SHA256 = createHash('sha256').update(SNAPSHOT).digest('hex');
const PACKED = { key: 'recovery-points/etcd-main.db.zst', sizeBytes: SNAPSHOT.length, sha256: SHA256 };
/** A session token as AWS gives them to roles. */
const SESSION_TOKEN = randomBytes(900).toString('base64');

let s3: S3Access;
let store: S3Store;
let directory: string;
beforeAll(async () => {
  s3 = await openS3();
  await s3.server.createBucket(BUCKET);
  store = storeAt(s3.server.endpoint, BUCKET);
  await store.put(PACKED.key, zstdCompressSync(SNAPSHOT));
}, 600_000);
afterAll(() => s3.close());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-url-'));
});
afterEach(() => rm(directory, { recursive: true }));

const portsOf = (used: S3Store, signal = new AbortController().signal) => ({
  store: used,
  journal: new Journal(used, 'restore'),
  signal,
  report: () => undefined,
});

async function download(url: string): Promise<{ status: number; sha256: string }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, sha256: createHash('sha256').update(body).digest('hex') };
}

async function stagedKeys(operation: string): Promise<string[]> {
  return (await listAll(store, stagingPrefix(operation))).map(({ key }) => key);
}

describe('a staged snapshot', () => {
  it('is downloaded by its URL byte for byte, without credentials', async () => {
    const key = await stageSnapshot('plain', 'main', PACKED, portsOf(store));
    const { url, expiresAt, temporaryCredentials } = await store.presign(key, 60);
    expect(await download(url.reveal())).toEqual({ status: 200, sha256: SHA256 });
    expect(temporaryCredentials).toBe(false);
    const signedAt = /X-Amz-Date=(\d{8}T\d{6}Z)/.exec(url.reveal())?.[1] ?? '';
    expect(expiresAt.toISOString().replace(/[-:]|\.\d+/g, '')).not.toBe(signedAt);
    expect(JSON.stringify({ url })).toBe('{"url":"[secret]"}');
  });

  it('is uploaded once, however often it is asked for', async () => {
    const proxy = await startHttpFaultProxy(s3.server.endpoint);
    try {
      const counted = portsOf(storeAt(proxy.endpoint, BUCKET));
      for (let delivery = 0; delivery < 3; delivery += 1) await stageSnapshot('once', 'main', PACKED, counted);
      const begun = proxy.requests.filter(({ method, query }) => method === 'POST' && query.has('uploads'));
      expect(begun).toHaveLength(1);
    } finally {
      await proxy.stop();
    }
  });

  it('is one whole file when two deliveries stage it at once', async () => {
    const keys = await Promise.all([1, 2].map(() => stageSnapshot('twice', 'main', PACKED, portsOf(store))));
    expect(new Set(keys).size).toBe(1);
    expect(await stagedKeys('twice')).toEqual([...new Set(keys)]);
    expect(await download((await store.presign(keys[0] ?? '', 60)).url.reveal())).toEqual({
      status: 200,
      sha256: SHA256,
    });
  });

  it('is not there at all when its bytes are not those of the recovery point', async () => {
    const wrong = { ...PACKED, sha256: '0'.repeat(64) };
    await expect(stageSnapshot('wrong', 'main', wrong, portsOf(store))).rejects.toThrow(CorruptSnapshotError);
    expect(await stagedKeys('wrong')).toEqual([]);
    for await (const unfinished of store.unfinishedUploads(stagingPrefix('wrong'))) expect(unfinished).toBeUndefined();
  });

  it('is removed with what an upload has left that nobody ends, and removing it again does no harm', async () => {
    const ports = portsOf(store);
    await noteStaged('ended', ['staging/ended/etcd-main.db'], ports.journal);
    await stageSnapshot('ended', 'main', PACKED, ports);
    const left = await store.beginUpload('staging/ended/etcd-main.db');
    for (let part = 0; part < 2; part += 1) await left.write(SNAPSHOT);
    const unfinished = async () => {
      const found = [];
      for await (const upload of store.unfinishedUploads('staging/ended/')) found.push(upload.key);
      return found;
    };
    await waitFor('the upload to be begun', async () => (await unfinished()).length === 1, { timeoutSeconds: 20 });
    await removeStaged('ended', ports);
    await removeStaged('ended', ports);
    expect(await stagedKeys('ended')).toEqual([]);
    expect(await unfinished()).toEqual([]);
    await expect(left.complete()).rejects.toThrow();
    await left.abort();
  });

  it('is looked for only where an operation has staged something', async () => {
    const proxy = await startHttpFaultProxy(s3.server.endpoint);
    try {
      await removeStaged('never', portsOf(storeAt(proxy.endpoint, BUCKET)));
      expect([...new Set(proxy.requests.map(({ method }) => method))]).toEqual(['HEAD']);
    } finally {
      await proxy.stop();
    }
  });
});

describe('a pre-signed URL', () => {
  let url: string;
  beforeAll(async () => {
    const key = await stageSnapshot('url', 'main', PACKED, portsOf(store));
    url = (await store.presign(key, 60)).url.reveal();
  });

  it.each([
    ['another object', (given: string) => given.replace('/url/', '/plain/')],
    ['a longer time', (given: string) => given.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000')],
    [
      'another signature',
      (given: string) => given.replace(/Signature=./, (found) => (found.endsWith('0') ? 'Signature=1' : 'Signature=0')),
    ],
  ])('is refused for %s', async (_, tamper) => {
    expect(tamper(url)).not.toBe(url);
    expect((await download(tamper(url))).status).toBe(403);
  });

  it('is refused when its time is over', async () => {
    const key = 'staging/url/etcd-main.db';
    const short = (await store.presign(key, 1)).url.reveal();
    await waitFor('the URL to end', async () => (await download(short)).status === 403, { timeoutSeconds: 30 });
  });

  it('ends with the session whose credentials signed it, and is refused as longer than the platform takes', async () => {
    const sessionEnd = new Date(Date.now() + 5 * 60_000);
    await withEnvironment(
      { AWS_SESSION_TOKEN: SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION: sessionEnd.toISOString() },
      async () => {
        const signed = await storeAt(s3.server.endpoint, BUCKET).presign('staging/url/etcd-main.db', 3600);
        expect(signed).toMatchObject({ expiresAt: sessionEnd, temporaryCredentials: true });
        expect(() => {
          refuseUnfitUrl(signed.url, { namespace: 'clusters', name: 'prod' }, signed.temporaryCredentials);
        }).toThrow(/characters, because it carries the token of a session/);
        expect(new URL(signed.url.reveal()).searchParams.get('X-Amz-Security-Token')).toBe(SESSION_TOKEN);
      },
    );
  });

  it('is not to be had of a directory', async () => {
    await expect(new DirectoryStore(directory).presign('staging/a')).rejects.toThrow(UnsupportedError);
  });
});

/** As the helper images have them: curl beside busybox, or busybox alone. */
describe.each(['curl', 'wget'])('the preparation with %s', (program) => {
  const OWN = `lifeboat-${OPERATION}`;
  let mountPath: string;
  let programs: string;

  beforeEach(async () => {
    mountPath = join(directory, 'volume');
    programs = join(directory, 'programs');
    await runCommand('mkdir', [mountPath, programs]);
    await runCommand('/bin/busybox', ['--install', '-s', programs]);
    await rm(join(programs, 'curl'), { force: true });
    if (program === 'curl') {
      const { stdout } = await runCommand('sh', ['-c', 'command -v curl']);
      await symlink(stdout.trim(), join(programs, 'curl'));
    }
    await chmod(programs, 0o755);
  });

  async function fetchWith(url: string) {
    const installation = installedEtcd(1, { mountPath });
    const [shell, ...args] = commandOf(
      preparationPod(installation, memberOf(installation), {
        operation: OPERATION,
        sizeBytes: SNAPSHOT.length,
        sha256: SHA256,
        clusterToken: 'token',
        bump: 1,
        etcdVersion: '3.6.5',
        input: 'url',
      }),
      'fetch',
    );
    return await runCommand(join(programs, shell), args, { input: `${url}\n`, env: { PATH: programs } });
  }

  it('downloads what is behind the URL and checks it', async () => {
    const key = await stageSnapshot('url', 'main', PACKED, portsOf(store));
    const outcome = await fetchWith((await store.presign(key, 60)).url.reveal());
    expect(outcome).toMatchObject({
      exitCode: 0,
      stdout: `received ${SNAPSHOT.length} bytes with the announced SHA-256\n`,
    });
    const file = await readFile(join(mountPath, OWN, 'snapshot.db'));
    expect(createHash('sha256').update(file).digest('hex')).toBe(SHA256);
  });

  it.each([
    ['an object that is not there', 'staging/nothing', 404],
    ['a signature that is not right', undefined, 403],
  ])('says why, and nothing of the URL that is secret, for %s', async (_, key, status) => {
    const given = (await store.presign(key ?? 'staging/url/etcd-main.db', 60)).url.reveal();
    const url = key === undefined ? `${given}0` : given;
    const { exitCode, stdout, stderr } = await fetchWith(url);
    expect(exitCode).toBe(HELPER_EXIT_CODES.wrongSnapshot);
    expect(stdout).toMatch(new RegExp(`^0 of ${SNAPSHOT.length} bytes arrived, then the stream ended: .*${status}`));
    expect(`${stdout}${stderr}`).not.toContain('X-Amz-');
  });

  it.each([
    ['no URL', ''],
    ['a protocol that it does not speak', 'gopher://127.0.0.1/a?X-Amz-Signature=0123456789'],
    ['a server that is not there', 'http://127.0.0.1:1/a?X-Amz-Signature=0123456789'],
  ])('says why for %s', async (_, url) => {
    const { exitCode, stdout, stderr } = await fetchWith(url);
    expect(exitCode).toBe(HELPER_EXIT_CODES.wrongSnapshot);
    expect(stdout).toMatch(/then the stream ended: \S/);
    expect(`${stdout}${stderr}`).not.toContain('X-Amz-');
  });
});
