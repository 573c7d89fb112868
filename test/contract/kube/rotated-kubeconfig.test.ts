import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { stringify } from 'yaml';
import { KubeconfigError, PermissionError } from '../../../lambdas/domain/errors.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { cachedKubeconfigs } from '../../../lambdas/kube/cached-kubeconfigs.ts';
import { connectCluster, type Cluster } from '../../../lambdas/kube/cluster.ts';
import type { ClusterAccesses } from '../../../lambdas/kube/management-cluster-access.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';
import { ChannelServer } from '../../testbed/channel-server.ts';

jest.setTimeout(120_000);

const TARGET = { namespace: 'clusters', pod: 'etcd-0', port: 2379 };
const token = (word: string): string => `planted-token-${word}-0123456789`;

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});
beforeAll(() => plantSecrets(['former', 'new', 'newest'].map(token)));

/** Kubeconfigs of which each is read once, and the last one from then on; told is how often they were read. */
function rotating(...texts: readonly string[]) {
  let reads = 0;
  const accesses: ClusterAccesses = {
    read(managementCluster) {
      const text = texts[Math.min(reads, texts.length - 1)] ?? '';
      reads += 1;
      return Promise.resolve({ text: new Secret(text), source: `secret of ${managementCluster}` });
    },
  };
  return { accesses: cachedKubeconfigs(accesses, () => new Date(0)), reads: () => reads };
}

async function connect(accesses: ClusterAccesses): Promise<Cluster> {
  const cluster = await connectCluster(accesses, 'mgmt');
  ended.push(() => {
    cluster.close();
  });
  return cluster;
}

/** An API server as far as it tells its version to who comes with an accepted token. */
async function serveTokens(accepted: () => string) {
  const authority = createAuthority('kubernetes');
  const { certificate, key } = issueCertificate(authority, { commonName: 'server', ipAddresses: ['127.0.0.1'] });
  const seen: string[] = [];
  const answer = (response: ServerResponse, status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const server = createServer({ cert: certificate, key }, ({ headers }, response) => {
    const given = (headers.authorization ?? '').replace('Bearer ', '');
    seen.push(given);
    if (given === accepted()) answer(response, 200, { gitVersion: 'v1.35.4' });
    else answer(response, 401, { kind: 'Status', code: 401 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ended.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const ca = Buffer.from(authority.certificate).toString('base64');
  const kubeconfig = (user: string): string =>
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token: token(user) } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    });
  return { seen, kubeconfig };
}

describe('credentials that were rotated after the kubeconfig was read', () => {
  it('are read again once, and the call goes on', async () => {
    const { seen, kubeconfig } = await serveTokens(() => token('new'));
    const { accesses, reads } = rotating(kubeconfig('former'), kubeconfig('new'));
    const { api } = await connect(accesses);
    expect(await api.version()).toBe('v1.35.4');
    expect(await api.version()).toBe('v1.35.4');
    expect(seen).toEqual([token('former'), token('new'), token('new')]);
    expect(reads()).toBe(2);
  });

  it('are read again once for all calls that are refused at the same time', async () => {
    const { seen, kubeconfig } = await serveTokens(() => token('new'));
    const { accesses, reads } = rotating(kubeconfig('former'), kubeconfig('new'));
    const { api } = await connect(accesses);
    const versions = await Promise.all(Array.from({ length: 5 }, () => api.version()));
    expect(versions).toEqual(Array(5).fill('v1.35.4'));
    expect(seen.filter((given) => given === token('former'))).toHaveLength(5);
    expect(reads()).toBe(2);
  });

  it('are read again whenever they are rotated', async () => {
    let accepted = token('former');
    const { kubeconfig } = await serveTokens(() => accepted);
    const { accesses, reads } = rotating(...['former', 'new', 'newest'].map(kubeconfig));
    const { api } = await connect(accesses);
    for (const word of ['former', 'new', 'newest']) {
      accepted = token(word);
      expect(await api.version()).toBe('v1.35.4');
    }
    expect(reads()).toBe(3);
  });

  it('are given up with the refusal when the new ones are refused as well', async () => {
    const { seen, kubeconfig } = await serveTokens(() => 'another');
    const { accesses, reads } = rotating(kubeconfig('former'), kubeconfig('new'), kubeconfig('newest'));
    const { api } = await connect(accesses);
    const refused = api.version();
    await expect(refused).rejects.toThrow(PermissionError);
    await expect(refused).rejects.toThrow(/did not accept the credentials in secret of mgmt/);
    await expect(refused).rejects.toHaveProperty('name', 'PermissionError');
    expect(seen).toEqual([token('former'), token('new')]);
    expect(reads()).toBe(2);
  });

  it('are given up with the refusal when there are no new ones, and not looked for any more', async () => {
    const { seen, kubeconfig } = await serveTokens(() => 'another');
    const { accesses, reads } = rotating(kubeconfig('former'));
    const { api } = await connect(accesses);
    for (let count = 0; count < 3; count += 1) await expect(api.version()).rejects.toThrow(PermissionError);
    expect(seen).toHaveLength(3);
    expect(reads()).toBe(2);
  });

  it('are given up when the new kubeconfig is none', async () => {
    const { seen, kubeconfig } = await serveTokens(() => token('new'));
    const { accesses } = rotating(kubeconfig('former'), 'nonsense');
    const { api } = await connect(accesses);
    await expect(api.version()).rejects.toThrow(KubeconfigError);
    expect(seen).toHaveLength(1);
  });

  it('are read again once for a tunnel', async () => {
    const former = await ChannelServer.start(
      () => undefined,
      () => 401,
    );
    const present = await ChannelServer.start((socket) => {
      // The port that a runtime announces on both channels.
      for (const channel of [0, 1]) socket.send(Buffer.from([channel, TARGET.port & 0xff, TARGET.port >> 8]));
    });
    ended.push(
      () => former.stop(),
      () => present.stop(),
    );
    const { accesses, reads } = rotating(former.kubeconfig, present.kubeconfig);
    const cluster = await connect(accesses);
    for (let count = 0; count < 2; count += 1) (await cluster.openTunnel(TARGET)).destroy();
    expect(former.requests).toHaveLength(1);
    expect(present.requests).toHaveLength(2);
    expect(reads()).toBe(2);
  });

  it('are given up once for a tunnel that is refused again', async () => {
    const server = await ChannelServer.start(
      () => undefined,
      () => 401,
    );
    ended.push(() => server.stop());
    const { accesses, reads } = rotating(server.kubeconfig, `${server.kubeconfig}# new`);
    const cluster = await connect(accesses);
    await expect(cluster.openTunnel(TARGET)).rejects.toThrow(PermissionError);
    expect(server.requests).toHaveLength(2);
    expect(reads()).toBe(2);
  });

  it('are read again after the refusal of a real kube-apiserver', async () => {
    const server = await ApiServer.start();
    ended.push(() => server.stop());
    const administrator = { commonName: 'administrator', organizations: ['system:masters'] };
    const { accesses, reads } = rotating(
      server.kubeconfig(administrator, server.port, createAuthority('former')),
      server.kubeconfig(administrator),
    );
    const { api } = await connect(accesses);
    expect(await api.get({ apiVersion: 'v1', kind: 'Namespace', name: 'default' })).toHaveProperty('kind', 'Namespace');
    expect(reads()).toBe(2);
  });
});
