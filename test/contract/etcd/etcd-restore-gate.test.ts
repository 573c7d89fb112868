import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { withMember, type Reach } from '../../../lambdas/datastores/etcd/reach-member.ts';
import { checkMembers, type MemberGate } from '../../../lambdas/datastores/etcd/restore/member-gate.ts';
import type { EtcdMember, EtcdStatus } from '../../../lambdas/datastores/etcd/wire/messages.ts';
import { GateError, PermissionError } from '../../../lambdas/domain/errors.ts';
import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import { disarmNoSpace, writesWaitFor } from '../../../lambdas/datastores/etcd/restore/write-gate.ts';
import { installedEtcd, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import { createAuthority } from '../../testbed/certificates.ts';
import { raiseAlarm } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';

jest.setTimeout(120_000);

describe('the gate of three members that run', () => {
  let etcd: SecureEtcd;
  let status: EtcdStatus;
  let installation: EtcdInstallation;

  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release: '3.5', members: 3 });
    let members: EtcdMember[];
    [status, members] = await askFirst();
    const installed = installedEtcd(3);
    installation = {
      ...installed,
      members: installed.members.map((member) => ({
        ...member,
        peerUrl: members.find(({ name }) => name === member.pod)?.peerUrls[0] ?? '',
      })),
    };
  });
  afterAll(async () => {
    await etcd.stop();
  });

  async function askFirst(): Promise<[EtcdStatus, EtcdMember[]]> {
    return await withMember(etcd.workload, 'etcd-0', reach(), (client) =>
      Promise.all([client.status(), client.memberList()]),
    );
  }

  const reach = (cluster: Reach['cluster'] = etcd.cluster): Reach => ({ cluster, signal: AbortSignal.timeout(60_000) });
  const gateOf = (
    expected: EtcdInstallation = installation,
    { cluster, tls = etcd.workload.tls }: { cluster?: Reach['cluster']; tls?: SecureEtcd['workload']['tls'] } = {},
  ): Promise<MemberGate> => checkMembers(expected, tls, { minimumRevision: 1 }, reach(cluster));
  const untilReady = (): Promise<MemberGate & { state: 'ready' }> =>
    waitFor('the gate', async () => gateOf().then((gate) => (gate.state === 'ready' ? gate : undefined)), {
      timeoutSeconds: 60,
    });

  it('opens, with what all of them say', async () => {
    const [hashed] = JSON.parse(await etcd.etcdctl('endpoint', 'hashkv', '-w', 'json')) as [
      { HashKV: { hash: number } },
    ];
    expect(await untilReady()).toEqual({
      state: 'ready',
      clusterId: status.clusterId,
      leader: expect.stringMatching(/^etcd-[012]$/),
      revision: status.revision,
      hash: hashed.HashKV.hash,
      isFull: false,
    });
  });

  it('stays shut for good when their list is not that of the installation', async () => {
    const [first, ...others] = installation.members;
    if (first === undefined) throw new Error('there is no member');
    const moved = { ...installation, members: [{ ...first, peerUrl: 'https://elsewhere:2380' }, ...others] };
    await expect(gateOf(moved)).rejects.toBeInstanceOf(GateError);
    await expect(gateOf(moved)).rejects.toThrow(
      /lists the members etcd-0=http:.* not etcd-0=https:\/\/elsewhere:2380, /,
    );
    await expect(gateOf({ ...installation, members: others })).rejects.toThrow(GateError);
  });

  it('stays shut for good when one answers in the place of another', async () => {
    const crossed: Record<string, string> = { 'etcd-0': 'etcd-1', 'etcd-1': 'etcd-0' };
    const openTunnel: Reach['cluster']['openTunnel'] = (target, options) =>
      etcd.cluster.openTunnel({ ...target, pod: crossed[target.pod] ?? target.pod }, options);
    await expect(gateOf(installation, { cluster: { openTunnel } })).rejects.toThrow(
      /etcd-0 of datastore main in namespace "clusters-prod" answers as another member/,
    );
  });

  it('says at once that our certificate is refused', async () => {
    const tls = etcd.clientTls({ commonName: 'stranger' }, createAuthority('stranger'));
    await expect(gateOf(installation, { tls })).rejects.toBeInstanceOf(PermissionError);
  });

  const until = async (isFull: boolean): Promise<void> => {
    await waitFor(
      `the gate to tell ${isFull ? 'the' : 'no'} alarm`,
      async () => (await untilReady()).isFull === isFull,
      {
        timeoutSeconds: 20,
      },
    );
  };
  const waitsFor = (): Promise<string | undefined> =>
    writesWaitFor(installation, etcd.workload.tls, OPERATION, reach());
  const keysLeft = async (): Promise<string> => etcd.etcdctl('get', '--prefix', 'lifeboat.io/', '--keys-only');

  it('is passed by writes that every member sees, and leaves nothing of them', async () => {
    const before = (await askFirst())[0].revision;
    expect(await waitsFor()).toBeUndefined();
    expect((await askFirst())[0].revision).toBe(before + 2);
    expect(await keysLeft()).toBe('');
  });

  it('opens under the alarm NOSPACE, but not for writes until that is disarmed', async () => {
    expect(await disarmNoSpace(installation, etcd.workload.tls, reach())).toBeUndefined();
    // As it comes back from a snapshot: raised by members of another time.
    await raiseAlarm(etcd, 'etcd-0', 'abcdef0123456789', 'NOSPACE');
    await raiseAlarm(etcd, 'etcd-0', status.memberId, 'NOSPACE');
    await until(true);
    await expect(waitsFor()).rejects.toBeInstanceOf(GateError);
    await expect(waitsFor()).rejects.toThrow(
      /^the restored datastore main takes no writes: its file of .* has reached etcd's quota$/,
    );
    expect(await disarmNoSpace(installation, etcd.workload.tls, reach())).toMatch(
      /^datastore main came back with the NOSPACE alarm .* disarmed: it takes writes\./,
    );
    await until(false);
    expect(await waitsFor()).toBeUndefined();
    expect(await keysLeft()).toBe('');
  });

  it('is not passed by writes while a member stands still, which is named', async () => {
    const { leader } = await untilReady();
    // A follower that is not asked to write.
    const lagging = leader === 'etcd-2' ? 'etcd-1' : 'etcd-2';
    await etcd.freeze(lagging);
    expect(await waitsFor()).toContain(lagging);
    await etcd.thaw(lagging);
    await untilReady();
    expect(await waitsFor()).toBeUndefined();
    expect(await keysLeft()).toBe('');
  });

  it('stays shut for good under the alarm CORRUPT', async () => {
    await raiseAlarm(etcd, 'etcd-0', status.memberId, 'CORRUPT');
    const refusal = await waitFor(
      'the alarm',
      () =>
        gateOf().then(
          () => undefined,
          (error: unknown) => error,
        ),
      { timeoutSeconds: 20 },
    );
    expect(refusal).toBeInstanceOf(GateError);
    expect((refusal as GateError).message).toMatch(/reports the CORRUPT alarm$/);
    await etcd.etcdctl('alarm', 'disarm');
  });

  it('waits for members that are away, and names them', async () => {
    await etcd.kill('etcd-2');
    await etcd.kill('etcd-1');
    const gate = await waitFor(
      'both to be away',
      async () => {
        const found = await gateOf();
        if (found.state === 'ready') return undefined;
        return /^etcd-1: nothing listens [^;]*; etcd-2: nothing listens [^;]*$/.test(found.reason) ? found : undefined;
      },
      { timeoutSeconds: 20 },
    );
    expect(gate.state).toBe('not-yet');
  });
});
