import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readAuditEntries, WRITE_VERBS } from '../../testbed/audit-log.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { createHostedCluster, type HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { fillHostedEtcd } from '../../testbed/hypershift/fill.ts';
import { installHyperShift, stopOperator } from '../../testbed/hypershift/install.ts';
import { plantedSecrets } from '../../testbed/hypershift/planted-secrets.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { plantHostedCluster, retireHostedCluster, SETUP_TIMEOUT_MILLISECONDS, sharedBed } from '../bed.ts';

const NAMESPACE = 'twin';
/** As whom the twin asks, and kubectl of these tests. */
const ADMINISTRATOR = 'lifeboat-testbed-admin';
const FINALIZER = 'hypershift.openshift.io/finalizer';
const TEST_TIMEOUT_MS = 240_000;

describe('the twin of the HyperShift operator', () => {
  let cluster: ManagementCluster;
  let highlyAvailable: HostedCluster;

  beforeAll(async () => {
    [cluster] = (await sharedBed()).clusters;
    highlyAvailable = await plantHostedCluster(cluster, {
      namespace: NAMESPACE,
      name: 'ha.example',
      members: 3,
      etcdVersion: '3.6.5',
      encryption: 'aescbc',
    });
  }, SETUP_TIMEOUT_MILLISECONDS);

  afterAll(async () => {
    await retireHostedCluster(highlyAvailable);
  }, SETUP_TIMEOUT_MILLISECONDS);

  const kubectl = (...args: string[]): Promise<string> => cluster.kubectl(args);
  const inControlPlane = (hosted: HostedCluster, ...args: string[]): Promise<string> =>
    kubectl('--namespace', hosted.controlPlaneNamespace, ...args);
  const read = (hosted: HostedCluster, object: string, path: string): Promise<string> =>
    inControlPlane(hosted, 'get', object, `--output=jsonpath=${path}`);
  const replicas = (hosted: HostedCluster, object: string): Promise<string> => read(hosted, object, '{.spec.replicas}');
  const patch = (kind: string, name: string, change: object): Promise<string> =>
    kubectl('--namespace', NAMESPACE, 'patch', kind, name, '--type=merge', `--patch=${JSON.stringify(change)}`);
  const eventually = async (what: string, condition: () => Promise<boolean>, timeoutSeconds = 30): Promise<void> => {
    await waitFor(what, condition, { timeoutSeconds, intervalMilliseconds: 200 });
  };
  const setPause = async (hosted: HostedCluster, pausedUntil: string | null): Promise<void> => {
    await patch('hostedcluster', hosted.name, { spec: { pausedUntil } });
    const expected = pausedUntil === null ? 'True' : 'False';
    await eventually('the twin to notice the pause', async () => {
      const condition = '{.status.conditions[?(@.type=="ReconciliationActive")].status}';
      const arguments_ = ['get', 'hostedcluster', hosted.name, `--output=jsonpath=${condition}`];
      return (await kubectl('--namespace', NAMESPACE, ...arguments_)) === expected;
    });
  };
  /** A second hosted cluster that a test may break; no test waits for it to be ready. */
  const createDisposable = (name: string): Promise<HostedCluster> =>
    createHostedCluster(cluster, { namespace: NAMESPACE, name, members: 1, etcdVersion: '3.5.21', wait: false });
  const machinesOf = async (hosted: HostedCluster): Promise<string[]> => {
    const ids = await inControlPlane(hosted, 'get', 'awsmachines', '--output=jsonpath={.items[*].spec.instanceID}');
    return ids.split(' ').filter((id) => id !== '');
  };

  it(
    'puts replicas and pod templates back',
    async () => {
      // It comes after the API server, whose readiness is all that was waited for.
      await eventually('the Deployment of the scheduler', async () =>
        (await inControlPlane(highlyAvailable, 'get', 'deployments', '--output=name')).includes('kube-scheduler'),
      );
      await inControlPlane(highlyAvailable, 'scale', 'deployment/kube-scheduler', '--replicas=0');
      await inControlPlane(highlyAvailable, 'set', 'env', 'deployment/kube-scheduler', 'ADDED=yes');
      await eventually('the Deployment to be put back', async () => {
        const variables = await read(
          highlyAvailable,
          'deployment/kube-scheduler',
          '{.spec.template.spec.containers[0].env[*].name}',
        );
        return (await replicas(highlyAvailable, 'deployment/kube-scheduler')) === '1' && !variables.includes('ADDED');
      });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'leaves a paused HostedCluster alone and goes on when the date of its pause is over',
    async () => {
      await setPause(highlyAvailable, 'true');
      await inControlPlane(highlyAvailable, 'scale', 'deployment/kube-scheduler', '--replicas=0');
      await inControlPlane(highlyAvailable, 'scale', 'statefulset/etcd', '--replicas=2');
      expect(await read(highlyAvailable, `hostedcontrolplane/${highlyAvailable.name}`, '{.spec.pausedUntil}')).toBe(
        'true',
      );
      // The finalizer's return proves that the twin looked at the HostedCluster after the scaling.
      await patch('hostedcluster', highlyAvailable.name, { metadata: { finalizers: [] } });
      await eventually('the finalizer to be there again', async () =>
        (await finalizers('hostedcluster', highlyAvailable.name)).includes(FINALIZER),
      );
      expect(await replicas(highlyAvailable, 'deployment/kube-scheduler')).toBe('0');
      expect(await replicas(highlyAvailable, 'statefulset/etcd')).toBe('2');

      const soon = new Date(Date.now() + 4000).toISOString().replace(/\.\d+Z$/, 'Z');
      await patch('hostedcluster', highlyAvailable.name, { spec: { pausedUntil: soon } });
      await eventually(
        'the twin to go on',
        async () =>
          (await replicas(highlyAvailable, 'deployment/kube-scheduler')) === '1' &&
          (await replicas(highlyAvailable, 'statefulset/etcd')) === '3',
      );
      await setPause(highlyAvailable, null);
      await highlyAvailable.waitUntilReady();
    },
    TEST_TIMEOUT_MS,
  );

  const finalizers = async (kind: string, name: string): Promise<string> =>
    kubectl('--namespace', NAMESPACE, 'get', kind, name, '--output=jsonpath={.metadata.finalizers}');

  it(
    'catches up with what happened while it did not run',
    async () => {
      await stopOperator(cluster);
      await inControlPlane(highlyAvailable, 'scale', 'deployment/kube-scheduler', '--replicas=0');
      expect(await replicas(highlyAvailable, 'deployment/kube-scheduler')).toBe('0');
      await installHyperShift(cluster);
      await eventually(
        'the Deployment to be put back',
        async () => (await replicas(highlyAvailable, 'deployment/kube-scheduler')) === '1',
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'does not take other words for a pause',
    async () => {
      await patch('hostedcluster', highlyAvailable.name, { spec: { pausedUntil: 'false' } });
      await inControlPlane(highlyAvailable, 'scale', 'deployment/kube-scheduler', '--replicas=0');
      await eventually(
        'the twin to go on',
        async () => (await replicas(highlyAvailable, 'deployment/kube-scheduler')) === '1',
      );
      await expect(patch('hostedcluster', highlyAvailable.name, { spec: { pausedUntil: 'yes' } })).rejects.toThrow(
        /pausedUntil/,
      );
      await setPause(highlyAvailable, null);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'adds its finalizer to a paused NodePool again and pauses its machines',
    async () => {
      const pool = `${highlyAvailable.name}-pool-0`;
      await patch('nodepool', pool, { spec: { pausedUntil: 'True' } });
      await eventually('the machines to be paused', async () =>
        (await read(highlyAvailable, `machinedeployment/${pool}`, '{.metadata.annotations}')).includes(
          'cluster.x-k8s.io/paused',
        ),
      );
      await patch('nodepool', pool, { metadata: { finalizers: [] } });
      await eventually('the finalizer to be there again', async () =>
        (await finalizers('nodepool', pool)).includes(FINALIZER),
      );
      await patch('nodepool', pool, { spec: { pausedUntil: null } });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'runs three members of one etcd, which know each other by their host names',
    async () => {
      const lists = await Promise.all(
        [0, 1, 2].map((member) => highlyAvailable.etcdctl(['member', 'list'], { member })),
      );
      expect(new Set(lists).size).toBe(1);
      const peers = [...(lists[0] ?? '').matchAll(/https:\/\/(etcd-\d\.etcd-discovery\.\S+):2380/g)].map(
        ([, host]) => host,
      );
      const host = (member: number): string =>
        `etcd-${member}.etcd-discovery.${highlyAvailable.controlPlaneNamespace}.svc`;
      expect(peers.sort()).toEqual([0, 1, 2].map(host));
      expect(await highlyAvailable.metrics(0)).toContain('etcd_server_has_leader 1');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'writes nothing in a pass that finds nothing to change',
    async () => {
      let since = new Date();
      const threePasses = async (): Promise<boolean> => {
        const entries = await readAuditEntries(cluster.auditLogPath, ADMINISTRATOR, since);
        const writes = entries.filter(({ verb }) => WRITE_VERBS.includes(verb));
        const wrote = writes.some(({ namespace }) => namespace?.startsWith(NAMESPACE));
        if (wrote) since = new Date();
        return (
          !wrote && entries.filter(({ resource, verb }) => resource === 'nodepools' && verb === 'list').length >= 3
        );
      };
      // Each look reads the log.
      await waitFor('three passes without a write', threePasses, { timeoutSeconds: 60, intervalMilliseconds: 2000 });
    },
    TEST_TIMEOUT_MS,
  );

  it('lets nobody into etcd without a client certificate', async () => {
    const { ca } = await highlyAvailable.etcdCredentials();
    expect(new X509Certificate(ca).ca).toBe(true);
    const url = await highlyAvailable.memberUrl(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it(
    'stores Secrets of the hosted cluster encrypted under the key of its HostedCluster',
    async () => {
      await highlyAvailable.kubectl([
        'create',
        'secret',
        'generic',
        'hidden',
        '--from-literal=word=very-much-in-the-open',
      ]);
      const stored = await highlyAvailable.etcdctl([
        'get',
        '/kubernetes.io/secrets/default/hidden',
        '--print-value-only',
      ]);
      expect(stored).toMatch(/^k8s:enc:aescbc:v1:aescbckey-/);
      expect(stored).not.toContain('very-much-in-the-open');
      const word = await highlyAvailable.kubectl(['get', 'secret', 'hidden', '--output=jsonpath={.data.word}']);
      expect(Buffer.from(word, 'base64').toString()).toBe('very-much-in-the-open');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'knows the secrets it planted, and calls nothing public a secret',
    async () => {
      const planted = await plantedSecrets(cluster);
      const kubeconfig = await highlyAvailable.kubeconfig();
      const { key, ca } = await highlyAvailable.etcdCredentials();
      expect(planted.some((text) => kubeconfig.includes(text))).toBe(true);
      expect(planted.some((text) => key.includes(text))).toBe(true);
      expect(planted.filter((text) => ca.includes(text))).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'fills an etcd to a size with values of many pages',
    async () => {
      await fillHostedEtcd(highlyAvailable, { databaseBytes: 10_000_000, seed: 1, tombstones: 10, leases: 5 });
      const statuses = JSON.parse(await highlyAvailable.etcdctl(['endpoint', 'status', '--write-out=json'])) as {
        Status: { dbSize: number };
      }[];
      expect(Math.min(...statuses.map(({ Status }) => Status.dbSize))).toBeGreaterThanOrEqual(10_000_000);
      expect(await highlyAvailable.etcdctl(['get', '/fill/gone/', '--prefix', '--keys-only'])).toBe('');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'lets a member be frozen, thawed and killed, and has it back in the cluster',
    async () => {
      const version = 'etcd_server_version';
      await highlyAvailable.freezeMember(1);
      await expect(
        highlyAvailable.etcdctl(['endpoint', 'health', '--command-timeout=2s'], { member: 1 }),
      ).rejects.toThrow();
      await highlyAvailable.thawMember(1);
      await eventually('the thawed member', async () => (await highlyAvailable.metrics(1)).includes(version));
      await highlyAvailable.killMember(2);
      await eventually(
        'the killed member',
        async () => (await read(highlyAvailable, 'pod/etcd-2', '{.status.containerStatuses[0].restartCount}')) === '1',
      );
      await highlyAvailable.waitUntilReady();
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'deletes machines and control plane with their HostedCluster, even when it is paused',
    async () => {
      const doomed = await createDisposable('doomed');
      await eventually('machines', async () => (await machinesOf(doomed)).length === 2);
      const machines = await machinesOf(doomed);
      await setPause(doomed, 'true');
      await doomed.delete();
      const cloud = await kubectl(
        '--namespace=hypershift',
        'get',
        'configmap',
        'aws-instances',
        '--output=jsonpath={.data}',
      );
      const states = JSON.parse(cloud) as Record<string, string>;
      expect(machines.map((machine) => states[machine])).toEqual(['terminated', 'terminated']);
      expect(await kubectl('get', 'namespace', doomed.controlPlaneNamespace, '--ignore-not-found')).toBe('');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'refuses what the real API refuses',
    async () => {
      const change = (spec: object): Promise<string> => patch('hostedcluster', highlyAvailable.name, { spec });
      await expect(change({ controllerAvailabilityPolicy: 'SingleReplica' })).rejects.toThrow(/immutable/);
      const restoreSnapshotURL = ['https://snapshots.example/one'];
      await expect(change({ etcd: { managed: { storage: { restoreSnapshotURL } } } })).rejects.toThrow(
        /cannot be added/,
      );
    },
    TEST_TIMEOUT_MS,
  );
});
