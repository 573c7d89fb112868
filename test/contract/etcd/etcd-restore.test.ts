import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readAlarms } from '../../../lambdas/datastores/etcd/file/alarms.ts';
import { withMember, type Reach } from '../../../lambdas/datastores/etcd/reach-member.ts';
import { checkMembers, type MemberGate } from '../../../lambdas/datastores/etcd/restore/member-gate.ts';
import { removeStaleKeys } from '../../../lambdas/datastores/etcd/restore/stale-keys.ts';
import { workloadOf } from '../../../lambdas/datastores/etcd/restore/workload.ts';
import { disarmNoSpace, writesWaitFor } from '../../../lambdas/datastores/etcd/restore/write-gate.ts';
import type { EtcdClient } from '../../../lambdas/datastores/etcd/wire/etcd-client.ts';
import { GateError, UnsupportedError } from '../../../lambdas/domain/errors.ts';
import type { EtcdVersion } from '../../testbed/etcd.ts';
import { putValues, raiseAlarm } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import { RestoredEtcd, type SnapshotToRestore } from './etcd-restored-members.ts';

jest.setTimeout(180_000);

const BUMP = 1_000_000;
const FILLER = 500;
const STALE_KEYS = [
  'masterleases/192.0.2.1',
  'masterleases/192.0.2.2',
  'leases/kube-system/kube-controller-manager',
  'leases/kube-system/kube-scheduler',
];
const OTHER_KEYS = [
  'leases/kube-node-lease/node-1',
  'leases/kube-node-lease/node-2',
  'leases/kube-node-lease/node-3',
  'leases/monitoring/operator',
  'leases/kube-system-of-somebody/operator',
  'masterleases',
  'certificatesigningrequests/node-1',
  'mutatingwebhookconfigurations/sidecars',
  'validatingwebhookconfigurations/policies',
];

interface TakenSnapshot extends SnapshotToRestore {
  readonly revision: number;
  readonly clusterId: string;
}

let restored: RestoredEtcd | undefined;

afterEach(async () => {
  await restored?.remove();
  restored = undefined;
});

/** A snapshot of an etcd with the keys above and values of its own; every one of a release has the same revision. */
async function takeSnapshot(release: '3.5' | '3.6', alarm?: 'NOSPACE'): Promise<TakenSnapshot> {
  const etcd = await SecureEtcd.start({ release });
  try {
    for (const key of [...STALE_KEYS, ...OTHER_KEYS]) await etcd.etcdctl('put', `/registry/${key}`, 'x');
    await putValues(etcd, 'etcd-0', { count: FILLER, value: () => randomBytes(2_000) });
    return await withMember(etcd.workload, 'etcd-0', reachOf(etcd), async (client) => {
      const { revision, clusterId, memberId } = await client.status();
      if (alarm !== undefined) await raiseAlarm(etcd, 'etcd-0', memberId, alarm);
      const file = Buffer.concat(await Array.fromAsync(client.snapshot(), ({ blob }) => Buffer.from(blob)));
      return { file, sha256: sha256Of(file), bump: BUMP, revision, clusterId };
    });
  } finally {
    await etcd.stop();
  }
}

const sha256Of = (file: Buffer): string => createHash('sha256').update(file).digest('hex');

function reachOf(etcd: Pick<RestoredEtcd, 'cluster'>): Reach {
  return { cluster: etcd.cluster, signal: AbortSignal.timeout(120_000) };
}

/** Volumes with data of before, on which a snapshot is prepared and swapped in. */
async function restoreAll(version: EtcdVersion, members: 1 | 3, snapshot: SnapshotToRestore): Promise<RestoredEtcd> {
  restored = await RestoredEtcd.create(version, members);
  for (const pod of restored.pods) {
    await mkdir(join(restored.volume(pod), 'data'));
    await writeFile(join(restored.volume(pod), 'data', 'before'), pod);
    await restored.prepare(pod, snapshot);
    await restored.swap(pod);
  }
  return restored;
}

const gateOf = (etcd: RestoredEtcd, minimumRevision: number): Promise<MemberGate> =>
  checkMembers(etcd.installation, etcd.tls, { minimumRevision }, reachOf(etcd));

async function untilReady(etcd: RestoredEtcd, minimumRevision: number): Promise<MemberGate & { state: 'ready' }> {
  return waitFor(
    'the gate',
    async () => {
      const gate = await gateOf(etcd, minimumRevision);
      return gate.state === 'ready' ? gate : undefined;
    },
    { timeoutSeconds: 90, intervalMilliseconds: 200 },
  );
}

async function withClient<T>(etcd: RestoredEtcd, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  return await withMember(workloadOf(etcd.installation, etcd.tls), 'etcd-0', reachOf(etcd), work);
}

describe.each([
  { release: '3.5', version: '3.5.21' },
  { release: '3.6', version: '3.6.5' },
] as const)('a snapshot of etcd $version', ({ release, version }) => {
  let snapshot: TakenSnapshot;

  beforeAll(async () => {
    snapshot = await takeSnapshot(release);
  });

  it('is prepared beside the live data without touching them, and again after one that failed', async () => {
    restored = await RestoredEtcd.create(version, 1);
    const volume = restored.volume('etcd-0');
    await mkdir(join(volume, 'data'));
    await writeFile(join(volume, 'data', 'live'), 'data');
    const damaged = Buffer.from(snapshot.file).fill(1, 0, 1);
    await expect(restored.prepare('etcd-0', { ...snapshot, file: damaged })).rejects.toThrow(/SHA-256 of what arrived/);
    const unlikeItsTrailer = { ...snapshot, file: damaged, sha256: sha256Of(damaged) };
    await expect(restored.prepare('etcd-0', unlikeItsTrailer)).rejects.toThrow(/expected sha256/);
    for (const attempt of ['first', 'second']) {
      const printed = await restored.prepare('etcd-0', snapshot);
      expect({ attempt, last: printed.at(-1) }).toEqual({
        attempt,
        last: expect.stringMatching(/^prepared: \d+ bytes/),
      });
    }
    expect(await readdir(join(volume, 'data'))).toEqual(['live']);
    const [own = ''] = (await readdir(volume)).filter((name) => name !== 'data');
    expect((await readdir(join(volume, own))).sort()).toEqual(['prepared', 'restored']);
    await restored.swap('etcd-0', 'clear');
    expect(await readdir(volume)).toEqual(['data']);
  });

  it.each([1, 3] as const)(
    'becomes one new cluster of %i members, at a higher revision and with its keys',
    async (members) => {
      const etcd = await restoreAll(version, members, snapshot);
      for (const pod of etcd.pods) await etcd.start(pod);
      const minimumRevision = snapshot.revision + BUMP;
      const gate = await untilReady(etcd, minimumRevision);
      expect(gate).toEqual({
        state: 'ready',
        clusterId: expect.any(String),
        leader: expect.stringMatching(/^etcd-\d$/),
        revision: minimumRevision,
        hash: expect.any(Number),
        isFull: false,
      });
      expect(gate.clusterId).not.toBe(snapshot.clusterId);
      await withClient(etcd, async (client) => {
        const all = { key: Buffer.from('/registry/filler/'), rangeEnd: Buffer.from('/registry/filler0'), limit: 1 };
        expect((await client.range(all)).count).toBe(FILLER);
        // What makes every watch and list of before start anew.
        await expect(client.range({ ...all, revision: snapshot.revision })).rejects.toThrow(/compacted/);
      });
      expect(await gateOf(etcd, minimumRevision + 1)).toEqual({
        state: 'not-yet',
        reason: expect.stringMatching(new RegExp(`^revision ${minimumRevision + 1} is not reached: etcd-0 at`)),
      });
    },
  );

  it('gives way to the data before, and to nothing else', async () => {
    const etcd = await restoreAll(version, 1, snapshot);
    await etcd.start('etcd-0');
    await untilReady(etcd, snapshot.revision + BUMP);
    await etcd.kill('etcd-0');
    await etcd.swap('etcd-0', 'back');
    await etcd.swap('etcd-0', 'clear');
    expect(await readdir(etcd.volume('etcd-0'))).toEqual(['data']);
    expect(await readdir(join(etcd.volume('etcd-0'), 'data'))).toEqual(['before']);
  });

  it('takes the place of data in the root of a volume, beside what else is there, and gives way to them', async () => {
    restored = await RestoredEtcd.create(version, 1, { dataDirectory: '' });
    const etcd = restored;
    const volume = etcd.volume('etcd-0');
    await etcd.start('etcd-0');
    await untilReady(etcd, 1);
    const before = await withClient(etcd, (client) => client.put(Buffer.from('/before'), Buffer.from('x')));
    await etcd.kill('etcd-0');
    await mkdir(join(volume, 'lost+found'));
    await etcd.prepare('etcd-0', snapshot);
    await etcd.swap('etcd-0');
    await etcd.start('etcd-0');
    const minimumRevision = snapshot.revision + BUMP;
    expect(await untilReady(etcd, minimumRevision)).toMatchObject({ revision: minimumRevision });
    await etcd.kill('etcd-0');
    await etcd.swap('etcd-0', 'back');
    await etcd.swap('etcd-0', 'clear');
    expect((await readdir(volume)).sort()).toEqual(['lost+found', 'member']);
    await etcd.start('etcd-0');
    expect(await untilReady(etcd, before)).toMatchObject({ revision: before });
  });

  it('is rid of what API servers and leaders of before left, and of nothing else', async () => {
    const etcd = await restoreAll(version, 1, snapshot);
    await etcd.start('etcd-0');
    await untilReady(etcd, snapshot.revision + BUMP);
    const left = { nodeLeases: 3, otherLeases: 2, certificateSigningRequests: 1, webhookConfigurations: 2 };
    const remove = () => removeStaleKeys(etcd.installation, etcd.tls, '/registry', reachOf(etcd));
    expect(await remove()).toEqual({
      removed: {
        masterLeases: ['192.0.2.1', '192.0.2.2'],
        systemLeases: ['kube-controller-manager', 'kube-scheduler'],
      },
      left,
    });
    expect(await remove()).toEqual({ removed: { masterLeases: [], systemLeases: [] }, left });
    const { kvs } = await withClient(etcd, (client) =>
      client.range({ key: Buffer.from('/'), rangeEnd: Buffer.from('0'), keysOnly: true }),
    );
    const names = kvs.map(({ key }) => key.toString().replace('/registry/', ''));
    expect(names.filter((name) => !name.startsWith('filler/')).sort()).toEqual([...OTHER_KEYS].sort());
    expect(names).toHaveLength(OTHER_KEYS.length + FILLER);
  });
});

describe.each([
  { release: '3.5', version: '3.5.21' },
  { release: '3.6', version: '3.6.5' },
] as const)('a snapshot of etcd $version that had no room any more', ({ release, version }) => {
  let snapshot: TakenSnapshot;

  beforeAll(async () => {
    snapshot = await takeSnapshot(release, 'NOSPACE');
  });

  const waitsFor = (etcd: RestoredEtcd) => writesWaitFor(etcd.installation, etcd.tls, OPERATION, reachOf(etcd));
  const disarm = (etcd: RestoredEtcd) => disarmNoSpace(etcd.installation, etcd.tls, reachOf(etcd));

  it('tells of its alarm, comes back with it, and takes writes once that is disarmed', async () => {
    const etcd = await restoreAll(version, 1, snapshot);
    const path = join(etcd.volume('etcd-0'), 'file.db');
    await writeFile(path, snapshot.file);
    expect(await readAlarms(path)).toEqual(['NOSPACE']);
    await etcd.start('etcd-0');
    expect(await untilReady(etcd, snapshot.revision + BUMP)).toMatchObject({ isFull: true });
    await expect(waitsFor(etcd)).rejects.toBeInstanceOf(GateError);
    expect(await disarm(etcd)).toMatch(/NOSPACE alarm of its recovery point, which was disarmed: it takes writes/);
    expect(await disarm(etcd)).toBeUndefined();
    expect(await waitsFor(etcd)).toBeUndefined();
    expect(await untilReady(etcd, snapshot.revision + BUMP + 2)).toMatchObject({ isFull: false });
  });

  it('is not restored where its file is as large as the quota still', async () => {
    const etcd = await restoreAll(version, 1, snapshot);
    await etcd.start('etcd-0', { 'quota-backend-bytes': String(snapshot.file.length - 32 * 1024) });
    await untilReady(etcd, snapshot.revision + BUMP);
    await disarm(etcd);
    await expect(waitsFor(etcd)).rejects.toBeInstanceOf(GateError);
    await expect(waitsFor(etcd)).rejects.toThrow(
      /takes no writes: its file of .* are in use, has reached etcd's quota$/,
    );
  });

  it('is told as what it is when somebody has raised its revision beyond exact numbers', async () => {
    const etcd = await restoreAll(version, 1, { ...snapshot, bump: 2 ** 53 });
    await etcd.start('etcd-0');
    const status = waitFor(
      'an answer',
      () =>
        withClient(etcd, (client) => client.status()).then(
          () => undefined,
          (error: unknown) => (error instanceof UnsupportedError ? error : undefined),
        ),
      { timeoutSeconds: 60 },
    );
    expect((await status).message).toBe("etcd member etcd-0 is at a revision beyond 2^53, which Lifeboat can't handle");
  });
});

describe('the gate of restored members', () => {
  let snapshot: TakenSnapshot;
  let minimumRevision: number;

  beforeAll(async () => {
    snapshot = await takeSnapshot('3.6');
    minimumRevision = snapshot.revision + BUMP;
  });

  it('waits for those that start late and those that are away, by name', async () => {
    const etcd = await restoreAll('3.6.5', 3, snapshot);
    const reason = async () => {
      const gate = await gateOf(etcd, minimumRevision);
      return gate.state === 'ready' ? 'ready' : gate.reason;
    };
    expect(await reason()).toMatch(/^etcd-0: nothing listens .*; etcd-1: nothing listens .*; etcd-2: nothing/);
    await etcd.start('etcd-0');
    // A member without a quorum lets no client in.
    expect(await reason()).toMatch(/^etcd-0: [^;]*; etcd-1: nothing listens [^;]*; etcd-2: nothing/);
    await etcd.start('etcd-1');
    await waitFor('a quorum without etcd-2', async () => /^etcd-2: [^;]*$/.test(await reason()), {
      timeoutSeconds: 60,
    });
    await etcd.start('etcd-2');
    const { hash } = await untilReady(etcd, minimumRevision);
    await etcd.kill('etcd-1');
    expect(await reason()).toMatch(/^etcd-1: /);
    await etcd.start('etcd-1');
    expect(await untilReady(etcd, minimumRevision)).toMatchObject({ hash });
  });

  it('refuses members that were restored each for itself, although each of them is healthy', async () => {
    restored = await RestoredEtcd.create('3.6.5', 3);
    const etcd = restored;
    for (const member of etcd.installation.members) {
      await etcd.prepare(member.pod, snapshot, { ...etcd.installation, members: [member] });
      await etcd.swap(member.pod);
      await etcd.start(member.pod);
    }
    expect(await refusalOf(etcd)).toMatch(/are of \d different etcd clusters: etcd-\d in [0-9a-f]+, etcd-\d in/);
  });

  it('refuses members that were restored from different files', async () => {
    const other = await takeSnapshot('3.6');
    expect(other.revision).toBe(snapshot.revision);
    restored = await RestoredEtcd.create('3.6.5', 3);
    const etcd = restored;
    for (const pod of etcd.pods) {
      await etcd.prepare(pod, pod === 'etcd-2' ? other : snapshot);
      await etcd.swap(pod);
      await etcd.start(pod);
    }
    expect(await refusalOf(etcd)).toMatch(
      new RegExp(`^the members hold different data at revision ${minimumRevision}; they hash to etcd-0 \\d+, etcd-1`),
    );
  });

  /** What the gate says once it stays shut for good; until then it may only wait. */
  async function refusalOf(etcd: RestoredEtcd): Promise<string> {
    const look = () =>
      gateOf(etcd, minimumRevision).then(
        ({ state }) => {
          expect(state).toBe('not-yet');
          return undefined;
        },
        (error: unknown) => error,
      );
    const refusal = await waitFor('a refusal', look, { timeoutSeconds: 90 });
    expect(refusal).toBeInstanceOf(GateError);
    return (refusal as GateError).message;
  }
});
