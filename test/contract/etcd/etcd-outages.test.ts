import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Reach } from '../../../lambdas/datastores/etcd/reach-member.ts';
import { lookAtMembers, type LookedAtEtcd } from '../../../lambdas/datastores/etcd/restore/look-at-members.ts';
import { ClusterUnreachableError, PermissionError, TunnelError } from '../../../lambdas/domain/errors.ts';
import type { EtcdInstallation, EtcdMemberVolume } from '../../../lambdas/domain/etcd-installation.ts';
import { installedEtcd } from '../../unit/etcd-restore/installed-etcd.ts';
import { createAuthority } from '../../testbed/certificates.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';

jest.setTimeout(120_000);

/** So short that a test does not have to wait out what is not going to change. */
const PATIENCE_MILLISECONDS = 3_000;

let etcd: SecureEtcd;

beforeAll(async () => {
  etcd = await SecureEtcd.start({ release: '3.6', members: 3 });
});
afterAll(async () => {
  await etcd.stop();
});

/** Three members whose pods say these things of themselves. */
function installation(...states: readonly EtcdMemberVolume['podState'][]): EtcdInstallation {
  const installed = installedEtcd(3);
  return {
    ...installed,
    members: installed.members.map((member, index) => ({ ...member, podState: states[index] ?? 'ready' })),
  };
}

async function look(
  found: EtcdInstallation,
  {
    cluster = etcd.cluster,
    tls = etcd.workload.tls,
  }: Partial<Pick<SecureEtcd, 'cluster'> & SecureEtcd['workload']> = {},
): Promise<LookedAtEtcd> {
  const reach: Reach = { cluster, signal: AbortSignal.timeout(60_000) };
  return await lookAtMembers(found, tls, reach, PATIENCE_MILLISECONDS);
}

describe('an etcd of which all members serve', () => {
  it('has no outage, whatever its pods say of themselves', async () => {
    for (const found of [installation(), installation('ready', 'not-ready', 'not-ready')]) {
      const { member, outages } = await look(found);
      expect(outages).toEqual([]);
      expect(member?.status.version).toMatch(/^3\.6\./);
    }
  });

  it('is no etcd to rebuild when the way to it is cut, or we are not let in', async () => {
    const failing = (error: Error) => ({ openTunnel: () => Promise.reject(error) });
    const unready = installation('not-ready', 'not-ready', 'not-ready');
    const away = new ClusterUnreachableError('the API server does not answer');
    await expect(look(unready, { cluster: failing(away) })).rejects.toBe(away);
    const cut = new TunnelError('the tunnel was cut');
    await expect(look(installation(), { cluster: failing(cut) })).rejects.toBe(cut);
    const tls = etcd.clientTls({ commonName: 'stranger' }, createAuthority('stranger'));
    await expect(look(unready, { tls })).rejects.toThrow(PermissionError);
  });

  it('is waited for while a tunnel fails', async () => {
    let attempts = 0;
    const openTunnel: Reach['cluster']['openTunnel'] = (target, options) => {
      attempts += 1;
      if (attempts <= 2) return Promise.reject(new TunnelError('the tunnel was cut'));
      return etcd.cluster.openTunnel(target, options);
    };
    expect((await look(installation(), { cluster: { openTunnel } })).outages).toEqual([]);
  });

  it('names a member that has no pod', async () => {
    const { member, outages } = await look(installation('none'));
    expect(outages).toEqual(['etcd-0 has no pod']);
    expect(member?.pod).toMatch(/^etcd-[12]$/);
  });
});

describe('an etcd of which nothing runs', () => {
  it('is not asked when it has no pods', async () => {
    const cluster = { openTunnel: () => Promise.reject(new Error('asked')) };
    const none = installation('none', 'none', 'none');
    const outages = ['etcd-0 has no pod', 'etcd-1 has no pod', 'etcd-2 has no pod'];
    expect(await look(none, { cluster })).toEqual({ member: undefined, outages });
    expect(await look({ ...none, replicas: 0 }, { cluster })).toEqual({
      member: undefined,
      outages: ['StatefulSet etcd stands at zero replicas'],
    });
  });
});

describe('an etcd that has lost its majority', () => {
  it('is read from the member that is left, which knows no leader', async () => {
    await etcd.kill('etcd-1');
    await etcd.kill('etcd-2');
    const left = await waitFor(
      'the last member to give up its leader',
      async () => {
        const found = await look(installation('not-ready', 'not-ready', 'not-ready'));
        return found.outages.includes('etcd-0 knows no leader') ? found : undefined;
      },
      { timeoutSeconds: 60 },
    );
    expect(left.member?.pod).toBe('etcd-0');
    expect(left.outages.slice(0, 2)).toEqual([
      'etcd-1 does not answer: nothing listens on the port of etcd-1',
      'etcd-2 does not answer: nothing listens on the port of etcd-2',
    ]);
  });
});
