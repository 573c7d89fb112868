import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectMember } from '../../../lambdas/datastores/etcd/reach-member.ts';
import type { Datastore } from '../../../lambdas/domain/datastore.ts';
import { PermissionError, TunnelError, type LifeboatError } from '../../../lambdas/domain/errors.ts';
import type { EtcdWorkload } from '../../../lambdas/domain/etcd-workload.ts';
import { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { openPodTunnel, type PodTarget } from '../../../lambdas/kube/pod-tunnel.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { issueCertificate } from '../../testbed/certificates.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { renderKubeconfig } from '../../testbed/kubeconfig.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { SETUP_TIMEOUT_MILLISECONDS, sharedBed, sharedHostedCluster } from '../bed.ts';

let cluster: ManagementCluster;
let hosted: HostedCluster;
let workload: EtcdWorkload;
const tunnels: Duplex[] = [];

beforeAll(async () => {
  [cluster] = (await sharedBed()).clusters;
  hosted = await sharedHostedCluster(cluster);
  const api = new KubeApi(parseKubeconfig(cluster.kubeconfig, cluster.name));
  try {
    const name = { managementCluster: cluster.name, namespace: hosted.namespace, name: hosted.name };
    const [etcd] = (await hypershift.describe(api, name)).datastores as [Datastore];
    workload = { ...etcd, tls: await hypershift.datastoreAccess.etcdTls(api, name) };
  } finally {
    api.close();
  }
}, SETUP_TIMEOUT_MILLISECONDS);
afterEach(() => {
  for (const tunnel of tunnels.splice(0)) tunnel.destroy();
});

async function open(target: Partial<PodTarget> = {}, kubeconfig = cluster.kubeconfig): Promise<Duplex> {
  const whole = { namespace: workload.namespace, pod: 'etcd-0', port: workload.clientPort, ...target };
  const tunnel = await openPodTunnel(parseKubeconfig(kubeconfig, cluster.name), whole);
  tunnels.push(tunnel);
  return tunnel;
}

async function failureOf(work: Promise<Duplex>): Promise<LifeboatError> {
  try {
    const [error] = (await once(await work, 'error')) as [LifeboatError];
    return error;
  } catch (error) {
    return error as LifeboatError;
  }
}

/** Of a user who may do exactly this to pods/portforward in the control plane's namespace. */
async function kubeconfigWith(user: string, verbs: readonly string[]): Promise<string> {
  const namespace = workload.namespace;
  const rule = { apiGroups: [''], resources: ['pods/portforward'], verbs };
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: user, namespace },
    rules: [rule],
  };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(role) });
  await cluster.kubectl(['create', 'rolebinding', user, '-n', namespace, `--role=${user}`, `--user=${user}`]);
  return renderKubeconfig({
    cluster: cluster.name,
    user,
    server: cluster.server,
    certificateAuthority: cluster.authority.certificate,
    client: issueCertificate(cluster.authority, { commonName: user }),
  });
}

describe('a tunnel through a real API server, kubelet and container runtime', () => {
  it('leads to etcd, many at once, each with a connection of its own', async () => {
    const reach = {
      cluster: { openTunnel: (target: PodTarget) => open(target) },
      signal: AbortSignal.timeout(60_000),
    };
    const clients = await Promise.all(Array.from({ length: 8 }, () => connectMember(workload, 'etcd-0', reach)));
    const ids = await Promise.all(clients.map(async (client) => (await client.status()).memberId));
    await Promise.all(clients.map((client) => client.close()));
    expect(new Set(ids).size).toBe(1);
    expect(tunnels.every(({ closed }) => closed)).toBe(true);
  }, 60_000);

  it('fails when nothing listens on the port', async () => {
    const error = await failureOf(open({ port: 9 }));
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toMatch(/port 9 of pod .* failed: nothing listens on the port inside the pod/);
  }, 30_000);

  it('does not come about to a pod that does not exist', async () => {
    expect((await failureOf(open({ pod: 'etcd-9' }))).message).toMatch(/the pod does not exist/);
  }, 30_000);

  it('does not come about to a pod that is on no node', async () => {
    const { namespace } = workload;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'nowhere', namespace } };
    const spec = { nodeSelector: { no: 'such-node' }, containers: [{ name: 'c', image: 'none' }] };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ ...pod, spec }) });
    expect((await failureOf(open({ pod: 'nowhere' }))).message).toMatch(/the pod is not on a node yet/);
  }, 30_000);

  it.each([
    ['get', ['create']],
    ['create', ['get']],
  ])(
    'names both verbs when the user lacks %s',
    async (missing, verbs) => {
      const error = await failureOf(open({}, await kubeconfigWith(`without-${missing}`, verbs)));
      expect(error).toBeInstanceOf(PermissionError);
      expect(error.message).toMatch(/may not get and create pods\/portforward "etcd-0" in namespace/);
      expect(error.remedy).toContain(
        'resources: ["pods/portforward"], resourceNames: ["etcd-0"], verbs: ["get", "create"]',
      );
    },
    30_000,
  );

  it('comes about for a user who has both and nothing else', async () => {
    const tunnel = await open({}, await kubeconfigWith('with-both', ['get', 'create']));
    expect(tunnel.destroyed).toBe(false);
  }, 30_000);
});
