import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { hashMembers } from '../../../lambdas/datastores/etcd/hash-members.ts';
import { takeSnapshot, type SnapshotPorts } from '../../../lambdas/datastores/etcd/take-snapshot.ts';
import {
  CorruptSnapshotError,
  DatastoreError,
  NoUsableMemberError,
  PermissionError,
  StoreUnavailableError,
  TunnelError,
} from '../../../lambdas/domain/errors.ts';
import type { EtcdWorkload } from '../../../lambdas/domain/etcd-workload.ts';
import type { StoredObject, Upload } from '../../../lambdas/store/object-store.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { ensureBinaries } from '../../testbed/binaries.ts';
import { createAuthority } from '../../testbed/certificates.ts';
import { requireCommand } from '../../testbed/command.ts';
import { putValues, raiseAlarm } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { startTamperingProxy } from '../../testbed/tampering-proxy.ts';
import { TcpProxy } from '../../testbed/tcp-proxy.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { ToldSilences } from '../told-silences.ts';

jest.setTimeout(120_000);

/** Uploads that a test looks at: their bytes, and what became of them. */
class Uploads {
  readonly all: RecordedUpload[] = [];
  /** Runs before each chunk is taken. */
  onWrite: (upload: RecordedUpload) => Promise<void> | void = () => undefined;

  readonly begin = (): Promise<Upload> => {
    const upload = new RecordedUpload(this.all.length + 1, (current) => this.onWrite(current));
    this.all.push(upload);
    return Promise.resolve(upload);
  };

  get outcomes(): string[] {
    return this.all.map(({ state }) => state);
  }
}

class RecordedUpload implements Upload {
  readonly number: number;
  readonly chunks: Uint8Array[] = [];
  state: 'open' | 'completed' | 'aborted' = 'open';
  readonly #onWrite: (upload: RecordedUpload) => Promise<void> | void;

  constructor(number: number, onWrite: (upload: RecordedUpload) => Promise<void> | void) {
    this.number = number;
    this.#onWrite = onWrite;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.state !== 'open') throw new Error(`written to after it was ${this.state}`);
    await this.#onWrite(this);
    this.chunks.push(chunk);
  }

  complete(): Promise<StoredObject> {
    this.state = 'completed';
    return Promise.resolve({ key: 'k', sizeBytes: 0, etag: 'e', modifiedAt: new Date() });
  }

  abort(): Promise<void> {
    this.state = 'aborted';
    return Promise.resolve();
  }

  /** The file that etcdctl would have saved. */
  get file(): Buffer {
    return zstdDecompressSync(Buffer.concat(this.chunks));
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let uploads: Uploads;
beforeEach(() => {
  uploads = new Uploads();
});

function portsFor(etcd: SecureEtcd, changes: Partial<SnapshotPorts> = {}): SnapshotPorts {
  return { cluster: etcd.cluster, signal: new AbortController().signal, beginUpload: uploads.begin, ...changes };
}

describe.each(['3.5', '3.6'] as const)('a snapshot of three real members of etcd %s', (release) => {
  let etcd: SecureEtcd;

  beforeEach(async () => {
    etcd = await SecureEtcd.start({ release, members: 3 });
    await putValues(etcd, 'etcd-0', { count: 400, value: () => randomBytes(64 * 1024) });
  });
  afterEach(async () => {
    await etcd.stop();
  });

  it('is taken from a follower, equals what etcdutl reads, and every member hashes to the same', async () => {
    const progress: number[] = [];
    const taken = await takeSnapshot(
      etcd.workload,
      portsFor(etcd, { onProgress: (done, total) => progress.push(done / total) }),
    );
    const [upload] = uploads.all;
    const file = upload?.file ?? Buffer.alloc(0);
    expect(uploads.outcomes).toEqual(['completed']);
    expect(taken).toMatchObject({
      sizeBytes: file.length,
      sha256: sha256(file),
      trailerSha256: file.subarray(-32).toString('hex'),
      warnings: release === '3.5' ? [expect.stringMatching(/3\.5\.21 may corrupt/)] : [],
    });
    expect(taken.memberChoice[0]).toMatch(new RegExp(`^${taken.memberPod}: choice 1, a healthy follower`));
    expect(taken.memberChoice[2]).toMatch(/choice 3, the leader$/);
    expect(progress.at(-1)).toBe(1);

    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-snapshot-'));
    await writeFile(join(directory, 'file.db'), file);
    const { etcd35Parts, kubernetesParts } = await ensureBinaries(() => undefined);
    const etcdutl = join(release === '3.5' ? etcd35Parts : kubernetesParts, 'etcdutl');
    const status = JSON.parse(
      await requireCommand(etcdutl, ['snapshot', 'status', join(directory, 'file.db'), '-w', 'json']),
    ) as {
      revision: number;
    };
    await rm(directory, { recursive: true });
    const hashes = await hashMembers(etcd.workload, status.revision, portsFor(etcd));
    expect(hashes.map(({ pod }) => pod)).toEqual(['etcd-0', 'etcd-1', 'etcd-2']);
    expect(new Set(hashes.map((answer) => ('hash' in answer ? answer.hash : answer.reason))).size).toBe(1);
    expect(hashes[0]).toHaveProperty('compactRevision', -1);
  });

  it.each([
    ['is killed', 'kill', /the connection to etcd member .* broke/],
    ['stands still', 'freeze', /has sent nothing of its snapshot for 1 s/],
  ] as const)('comes from the next member when the first one %s midway', async (_, fault, reason) => {
    const connections: { readonly pod: string; readonly socket: Socket }[] = [];
    const openTunnel: SnapshotPorts['cluster']['openTunnel'] = async ({ pod }) => {
      const socket = connect(etcd.clientPort(pod), '127.0.0.1');
      await once(socket, 'connect');
      connections.push({ pod, socket });
      return socket;
    };
    let first = '';
    uploads.onWrite = async ({ number, chunks }) => {
      if (number !== 1 || chunks.length > 0) return;
      // The one that has sent most is the one that streams: who leads may have changed since anybody looked.
      const [most] = connections.toSorted((one, other) => other.socket.bytesRead - one.socket.bytesRead);
      first = most?.pod ?? '';
      await etcd[fault](first);
    };
    const ports = portsFor(etcd, { cluster: { openTunnel }, watchdogMilliseconds: 1_000 });
    const taken = await takeSnapshot(etcd.workload, ports);
    expect(taken.memberPod).not.toBe(first);
    expect(taken.memberChoice.at(-1)).toMatch(new RegExp(`^${first}: failed, `));
    expect(taken.memberChoice.at(-1)).toMatch(reason);
    expect(uploads.outcomes).toEqual(['aborted', 'completed']);
    expect(sha256(uploads.all[1]?.file ?? Buffer.alloc(0))).toBe(taken.sha256);
  });

  it('is told to be waited for when the connection is dropped midway, and goes on when it is back', async () => {
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port: etcd.clientPort('etcd-0') });
    const openTunnel = async () => {
      const socket = connect({ port: proxy.port, host: '127.0.0.1' });
      await once(socket, 'connect');
      return socket;
    };
    const alone = { ...etcd.workload, members: etcd.workload.members.filter(({ pod }) => pod === 'etcd-0') };
    const silences = new ToldSilences();
    const held = proxy.holdAfter(5_000_000);
    const taking = silences.during(() => takeSnapshot(alone, portsFor(etcd, { cluster: { openTunnel } })));
    try {
      await held;
      const from = /etcd member etcd-0 \(Maintenance.Snapshot\)/;
      await silences.ofWhat(from);
      proxy.release();
      await silences.overWith(from);
      const taken = await taking;
      expect(sha256(uploads.all.at(-1)?.file ?? Buffer.alloc(0))).toBe(taken.sha256);
    } finally {
      await Promise.allSettled([taking, proxy.stop()]);
    }
  });

  it('comes from another member when the bytes of the first are not those that it hashed', async () => {
    const { memberPod: first } = await takeSnapshot(etcd.workload, portsFor(etcd));
    uploads = new Uploads();
    const proxy = await startTamperingProxy(etcd, first, 10_000_000);
    const openTunnel: SnapshotPorts['cluster']['openTunnel'] = (target) =>
      target.pod === first ? proxy.open() : etcd.cluster.openTunnel(target);
    const taken = await takeSnapshot(etcd.workload, portsFor(etcd, { cluster: { openTunnel } }));
    expect(taken.memberPod).not.toBe(first);
    expect(taken.memberChoice.at(-1)).toMatch(/the SHA-256 in its trailer is not that of the bytes/);
    expect(uploads.outcomes).toEqual(['aborted', 'completed']);

    uploads = new Uploads();
    const alone = { ...etcd.workload, members: etcd.workload.members.filter(({ pod }) => pod === first) };
    await expect(takeSnapshot(alone, portsFor(etcd, { cluster: { openTunnel } }))).rejects.toBeInstanceOf(
      CorruptSnapshotError,
    );
    expect(uploads.outcomes).toEqual(['aborted']);
    await proxy.stop();
  });

  it('is taken from the one member that is left, with warnings', async () => {
    await etcd.kill('etcd-1');
    await etcd.kill('etcd-2');
    const taken = await waitFor(
      'etcd-0 to notice',
      async () => {
        const { warnings, ...rest } = await takeSnapshot(etcd.workload, portsFor(etcd));
        return warnings.some((warning) => warning.includes('no member knows a leader'))
          ? { warnings, ...rest }
          : undefined;
      },
      { timeoutSeconds: 60 },
    );
    expect(taken.memberPod).toBe('etcd-0');
    expect(taken.warnings).toEqual(
      expect.arrayContaining([
        "member etcd-1 is in etcd's member list but did not answer",
        "member etcd-2 is in etcd's member list but did not answer",
      ]),
    );
    const hashes = await hashMembers(etcd.workload, 1, portsFor(etcd));
    expect(hashes[1]).toEqual({ pod: 'etcd-1', reason: expect.any(String) });
  });

  it('is refused while a CORRUPT alarm is raised', async () => {
    const { memberId, memberPod } = await takeSnapshot(etcd.workload, portsFor(etcd));
    uploads = new Uploads();
    await raiseAlarm(etcd, memberPod, memberId, 'CORRUPT');
    const taking = takeSnapshot(etcd.workload, portsFor(etcd));
    await expect(taking).rejects.toBeInstanceOf(NoUsableMemberError);
    await expect(taking).rejects.toThrow(`CORRUPT alarm for ${memberPod}`);
    expect(uploads.all).toEqual([]);
  });
});

describe('a snapshot of one real member', () => {
  let etcd: SecureEtcd;

  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release: '3.6' });
    await putValues(etcd, 'etcd-0', { count: 100, value: () => randomBytes(32 * 1024) });
  });
  afterAll(async () => {
    await etcd.stop();
  });

  it('survives a connection cut at any of 30 places: from the other way in, whole, with nothing left behind', async () => {
    const before = await etcd.idleReadTransactions('etcd-0');
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port: etcd.clientPort('etcd-0') });
    const openTunnel: SnapshotPorts['cluster']['openTunnel'] = async ({ pod, ...rest }) => {
      if (pod !== 'a-through-proxy') return etcd.cluster.openTunnel({ ...rest, pod: 'etcd-0' });
      const socket = connect(proxy.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const members = ['a-through-proxy', 'b-direct'].map((pod) => ({ pod, ready: true }));
    const workload: EtcdWorkload = { ...etcd.workload, members };
    const ports = () => portsFor(etcd, { cluster: { openTunnel } });

    proxy.cutAfter(Infinity, 1);
    const whole = await takeSnapshot(workload, ports());
    const streamBytes = proxy.passedBytes;
    expect(whole.memberPod).toBe('a-through-proxy');
    const random = randomNumbers(seed);
    for (let round = 0; round < 30; round += 1) {
      uploads = new Uploads();
      const offset = Math.floor(random() * streamBytes * 0.98);
      proxy.cutAfter(offset, 1);
      const taken = await takeSnapshot(workload, ports());
      expect({ offset, pod: taken.memberPod, cuts: proxy.cuts }).toEqual({ offset, pod: 'b-direct', cuts: 1 });
      expect(taken.memberChoice.at(-1)).toMatch(/^a-through-proxy: failed, /);
      expect(uploads.outcomes.filter((state) => state !== 'aborted')).toEqual(['completed']);
      expect(sha256(uploads.all.at(-1)?.file ?? Buffer.alloc(0))).toBe(taken.sha256);
    }
    await proxy.stop();
    await waitFor('no open reader', async () => (await etcd.openReadTransactions('etcd-0')) === before, {
      timeoutSeconds: 20,
    });
  });

  it('is tried again when it fails in a way that may pass', async () => {
    let tunnels = 0;
    const openTunnel: SnapshotPorts['cluster']['openTunnel'] = (target) => {
      tunnels += 1;
      return tunnels === 1
        ? Promise.reject(new TunnelError('the node is restarting'))
        : etcd.cluster.openTunnel(target);
    };
    const taken = await takeSnapshot(etcd.workload, portsFor(etcd, { cluster: { openTunnel } }));
    expect(taken.memberChoice).toEqual(['etcd-0: choice 1, the leader', 'etcd-0: failed, the node is restarting']);
  });

  it('is not tried again when the credentials are refused', async () => {
    const workload = { ...etcd.workload, tls: etcd.clientTls({ commonName: 'x' }, createAuthority('another')) };
    const taking = takeSnapshot(workload, portsFor(etcd));
    await expect(taking).rejects.toBeInstanceOf(PermissionError);
    await expect(taking).rejects.toThrow(/no snapshot of datastore main in namespace "clusters-test": etcd-0: /);
  });

  it('says of every member why it failed', async () => {
    const members = ['etcd-0', 'etcd-1'].map((pod) => ({ pod, ready: true }));
    const openTunnel: SnapshotPorts['cluster']['openTunnel'] = ({ pod }) =>
      Promise.reject(pod === 'etcd-0' ? new TunnelError('the pod is gone') : new PermissionError('may not create'));
    const taking = takeSnapshot({ ...etcd.workload, members }, portsFor(etcd, { cluster: { openTunnel } }));
    await expect(taking).rejects.toBeInstanceOf(DatastoreError);
    await expect(taking).rejects.toThrow(/etcd-0: the pod is gone; etcd-1: may not create$/);
  });

  it('ends with the error of the store, without asking another member, and aborts the upload', async () => {
    const failure = new StoreUnavailableError('the store answers 503');
    uploads.onWrite = () => Promise.reject(failure);
    await expect(takeSnapshot(etcd.workload, portsFor(etcd))).rejects.toBe(failure);
    expect(uploads.outcomes).toEqual(['aborted']);
  });

  it('ends with the reason of the signal, and aborts the upload', async () => {
    const controller = new AbortController();
    const reason = new Error('the time is up');
    uploads.onWrite = () => {
      controller.abort(reason);
    };
    await expect(takeSnapshot(etcd.workload, portsFor(etcd, { signal: controller.signal }))).rejects.toBe(reason);
    expect(uploads.outcomes).toEqual(['aborted']);
  });
});
