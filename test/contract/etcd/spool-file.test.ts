import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** What every process prints when the spool file has some, not all of the snapshot. */
const HALF_WAY = 'half way';
const BYTES = 4 * 1024 * 1024;

/** Verifies a snapshot that lies in a store which falls silent in the middle of it. */
const VERIFY = `
  import { randomBytes } from 'node:crypto';
  import { Readable } from 'node:stream';
  import { zstdCompressSync } from 'node:zlib';
  import { drivers } from '${import.meta.resolve('../../../lambdas/datastores/registry.ts')}';
  import { PhaseTimer } from '${import.meta.resolve('../../../lambdas/domain/progress.ts')}';
  import { inspectSnapshot } from '${import.meta.resolve('../../../lambdas/recovery-points/inspect.ts')}';
  const packed = zstdCompressSync(randomBytes(${BYTES}));
  async function* half() {
    yield packed.subarray(0, packed.length / 2);
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  const store = { location: 'memory', read: async () => Readable.from(half()) };
  const object = { key: 'etcd-main.db.zst', sizeBytes: ${BYTES}, sha256: '0'.repeat(64) };
  const report = (event) => {
    if (event.kind === 'bytes' && event.doneBytes > ${BYTES / 4}) console.log('${HALF_WAY}');
  };
  const now = () => performance.now();
  const ports = { store, report, now, signal: new AbortController().signal, clock: () => new Date() };
  const snapshot = { name: 'main', file: object.key, sizeBytes: ${BYTES}, storedBytes: packed.length, sha256: object.sha256 };
  await inspectSnapshot({ driver: drivers.etcd, object, snapshot }, new PhaseTimer(report, now), ports);
`;

let directory: string;
let verifying: ChildProcess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-spool-test-'));
  verifying = spawn(process.execPath, ['--input-type=module', '--eval', VERIFY], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
});
afterEach(async () => {
  verifying.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

/** What the process has open in the directory, as Linux tells it. */
async function openFiles(): Promise<string[]> {
  const descriptors = `/proc/${verifying.pid ?? 0}/fd`;
  // Descriptors come and go while they are looked at.
  const names = await Promise.all(
    (await readdir(descriptors)).map((fd) => readlink(join(descriptors, fd)).catch(() => '')),
  );
  return names.filter((name) => name.startsWith(directory));
}

describe('a verification that is killed in the middle', () => {
  it('leaves nothing of the snapshot in the temporary directory', async () => {
    if (verifying.stdout === null) throw new Error('its output is not read');
    const [told] = (await once(verifying.stdout, 'data')) as [Buffer];
    expect(told.toString()).toContain(HALF_WAY);
    expect(await openFiles()).toHaveLength(1);
    const ended = once(verifying, 'exit');
    verifying.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(await readdir(directory, { recursive: true })).toEqual([]);
  });
});
