import { describe, expect, it } from '@jest/globals';
import {
  NotFoundError,
  NoUsableMemberError,
  RestoreRefusedError,
  UnsupportedError,
} from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { restoreTargetSchema } from '../../../lambdas/domain/restore-target.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { apiServing, CONTROL_PLANE, hostedCluster, inNamespace, NAMESPACE } from './served-objects.ts';

/** As OpenShift 4.19 and later have it: told by a variable. */
const BY_VARIABLE = {
  name: 'etcd',
  image: 'quay.example/etcd@sha256:0123',
  imagePullPolicy: 'IfNotPresent',
  command: ['/bin/sh', '-c', 'ETCD_INITIAL_CLUSTER_STATE=$(cat /etc/etcd/clusterstate/state) /usr/bin/etcd'],
  env: [
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'ETCD_DATA_DIR', value: '/var/lib/data' },
  ],
  securityContext: { readOnlyRootFilesystem: true },
  volumeMounts: [
    { mountPath: '/var/lib', name: 'data' },
    { mountPath: '/etc/etcd/tls/peer', name: 'peer-tls' },
  ],
};
const METRICS = {
  name: 'etcd-metrics',
  image: 'quay.example/etcd@sha256:0123',
  command: ['etcd'],
  args: ['grpc-proxy'],
};

interface EtcdOptions {
  readonly name?: string;
  readonly replicas?: number;
  readonly container?: object;
  readonly claimTemplates?: readonly string[];
}

function statefulSet(options: EtcdOptions = {}): KubernetesObject {
  const { name = 'etcd', replicas = 3, container = {}, claimTemplates = ['data'] } = options;
  return inNamespace(
    'apps/v1',
    'StatefulSet',
    { name },
    {
      spec: {
        replicas,
        serviceName: name.replace('etcd', 'etcd-discovery'),
        selector: { matchLabels: { app: name } },
        template: {
          spec: {
            containers: [METRICS, { ...BY_VARIABLE, ...container }],
            securityContext: { fsGroup: 1001, runAsUser: 1001 },
            tolerations: [{ key: 'hypershift.openshift.io/control-plane', operator: 'Exists' }],
            priorityClassName: 'hypershift-etcd',
            affinity: {
              podAntiAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [
                  { topologyKey: 'topology.kubernetes.io/zone', labelSelector: { matchLabels: { app: name } } },
                  { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: name } } },
                ],
              },
            },
          },
        },
        volumeClaimTemplates: claimTemplates.map((template) => ({
          metadata: { name: template, labels: { of: 'template' } },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '8Gi' } } },
        })),
      },
    },
  );
}

function claim(name: string, metadata: { deletionTimestamp?: string } = {}, phase = 'Bound'): KubernetesObject {
  return inNamespace(
    'v1',
    'PersistentVolumeClaim',
    { name, ...metadata },
    {
      spec: { resources: { requests: { storage: '8Gi' } } },
      status: { phase, capacity: { storage: '10Gi' } },
    },
  );
}

const podOn = (name: string, nodeName?: string) => inNamespace('v1', 'Pod', { name }, { spec: { nodeName } });
const podGoingAway = inNamespace(
  'v1',
  'Pod',
  { name: 'etcd-0', deletionTimestamp: '2026-01-01T00:00:00Z' },
  { spec: { nodeName: 'node-gone' } },
);
const deployment = (name: string, replicas: number, readyReplicas = replicas) =>
  inNamespace(
    'apps/v1',
    'Deployment',
    { name },
    { spec: { replicas, template: { spec: {} } }, status: { readyReplicas } },
  );

const highlyAvailable = [
  hostedCluster(),
  statefulSet(),
  ...[0, 1, 2].flatMap((index) => [claim(`data-etcd-${index}`), podOn(`etcd-${index}`, `node-${index}`)]),
  deployment('kube-apiserver', 3, 2),
  deployment('openshift-apiserver', 2),
];
const single = [hostedCluster({ controllerAvailabilityPolicy: 'SingleReplica' })];

const targetOf = (objects: readonly KubernetesObject[]) => hypershift.restoreTarget(apiServing(objects), CONTROL_PLANE);
/** The etcd of a control plane of one member. */
const installationOf = async (...objects: readonly KubernetesObject[]) =>
  (await targetOf([...single, ...objects])).datastores[0];
const memberOf = async (...objects: readonly KubernetesObject[]) => {
  const { members = [] } = (await installationOf(statefulSet({ replicas: 0 }), ...objects)) ?? {};
  return members[0];
};

describe('what a restore in place works on', () => {
  it('is each member with its claim, its size, its node and its peer URL', async () => {
    const { datastores } = await targetOf(highlyAvailable);
    expect(datastores).toEqual([
      {
        datastore: 'main',
        namespace: NAMESPACE,
        statefulSet: 'etcd',
        replicas: 3,
        clientPort: 2379,
        mountPath: '/var/lib',
        dataDirectory: 'data',
        members: [0, 1, 2].map((index) => ({
          pod: `etcd-${index}`,
          peerUrl: `https://etcd-${index}.etcd-discovery.clusters-prod.svc:2380`,
          claim: `data-etcd-${index}`,
          capacityBytes: 10 * 1024 ** 3,
          node: `node-${index}`,
          podState: 'not-ready',
          lostClaim: null,
        })),
        pods: {
          image: 'quay.example/etcd@sha256:0123',
          imagePullPolicy: 'IfNotPresent',
          securityContext: { fsGroup: 1001, runAsUser: 1001 },
          containerSecurityContext: { readOnlyRootFilesystem: true },
          tolerations: [{ key: 'hypershift.openshift.io/control-plane', operator: 'Exists' }],
          priorityClassName: 'hypershift-etcd',
          spreadOver: ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'],
        },
      },
    ]);
  });

  it("is told who etcd's own container was seen to run as, and nobody else's", async () => {
    const runsAs = (pod: string, name: string, uid: number) =>
      inNamespace(
        'v1',
        'Pod',
        { name: pod },
        { spec: {}, status: { containerStatuses: [{ name, user: { linux: { uid, gid: uid + 1 } } }] } },
      );
    const others = [runsAs('etcd-other-0', 'etcd', 1), runsAs('etcd-0', 'etcd-metrics', 2)];
    const seenIn = async (...pods: readonly KubernetesObject[]) =>
      (await installationOf(statefulSet({ replicas: 1 }), claim('data-etcd-0'), ...pods))?.pods.seenUser;
    expect(await seenIn(...others)).toBeUndefined();
    expect(await seenIn(...others, runsAs('etcd-1', 'etcd', 1001))).toEqual({ uid: 1001, gid: 1002 });
  });

  it('is of a form that survives being recorded in a plan', async () => {
    const target = await targetOf(highlyAvailable);
    expect(restoreTargetSchema.parse(JSON.parse(JSON.stringify(target)))).toEqual(target);
  });

  it('has the writers there are, with their replicas', async () => {
    const { writers } = await targetOf(highlyAvailable);
    const apiServer = { kind: 'Deployment', namespace: NAMESPACE };
    expect(writers).toEqual([
      { ...apiServer, name: 'kube-apiserver', replicas: 3, foundReplicas: 3, foundReady: 2 },
      { ...apiServer, name: 'openshift-apiserver', replicas: 2, foundReplicas: 2, foundReady: 2 },
    ]);
  });

  it('brings a writer that stands at zero back to one, and says so', async () => {
    const { writers, warnings } = await targetOf([
      ...highlyAvailable.filter(({ kind }) => kind !== 'Deployment'),
      deployment('kube-apiserver', 0),
    ]);
    expect(writers).toMatchObject([{ replicas: 1, foundReplicas: 0, foundReady: 0 }]);
    expect(warnings).toContainEqual(expect.stringContaining('Deployment kube-apiserver is at zero'));
  });

  it('has the pause that was there before', async () => {
    const [, ...others] = highlyAvailable;
    expect((await targetOf(highlyAvailable)).pausedUntil).toBeNull();
    expect((await targetOf([hostedCluster({ pausedUntil: 'true' }), ...others])).pausedUntil).toBe('true');
  });

  it('has every declared member while the StatefulSet is at zero', async () => {
    const { datastores, warnings } = await targetOf([
      hostedCluster(),
      statefulSet({ replicas: 0 }),
      ...[0, 1, 2].map((index) => claim(`data-etcd-${index}`)),
    ]);
    expect(datastores[0]?.replicas).toBe(0);
    expect(datastores[0]?.members.map(({ pod }) => pod)).toEqual(['etcd-0', 'etcd-1', 'etcd-2']);
    expect(warnings.join()).not.toContain('replicas');
  });

  it('warns of a StatefulSet whose replicas are not the declared members', async () => {
    const { datastores, warnings } = await targetOf([
      ...highlyAvailable.filter(({ kind }) => kind !== 'StatefulSet'),
      statefulSet({ replicas: 1 }),
    ]);
    expect(datastores[0]?.members.length).toBe(3);
    expect(warnings).toContainEqual(
      expect.stringContaining('has 1 replicas, but etcd main is declared with 3 members'),
    );
  });

  it('warns that a pause holds back neither a deletion nor, once over, the repair of workers', async () => {
    const pool = (name: string, clusterName: string, autoRepair: boolean): KubernetesObject => ({
      apiVersion: 'hypershift.openshift.io/v1beta1',
      kind: 'NodePool',
      metadata: { namespace: 'clusters', name },
      spec: { clusterName, management: { autoRepair } },
    });
    const pools = [pool('repaired', 'prod', true), pool('left', 'prod', false), pool('foreign', 'other', true)];
    const { warnings } = await targetOf([...highlyAvailable, ...pools]);
    expect(warnings).toEqual([
      expect.stringContaining('deletion of the HostedCluster'),
      expect.stringContaining('NodePool repaired'),
    ]);
  });

  it('is refused when the HostedCluster is gone, with the way to make it again', async () => {
    const [, ...others] = highlyAvailable;
    await expect(targetOf(others)).rejects.toMatchObject({
      name: 'RestoreRefusedError',
      remedy: expect.stringContaining('--accept-other-uid'),
    });
  });

  it('is refused while the HostedCluster is being deleted', async () => {
    const [, ...others] = highlyAvailable;
    const deleted = hostedCluster({}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    await expect(targetOf([deleted, ...others])).rejects.toThrow(RestoreRefusedError);
  });

  it('is refused for an etcd that HyperShift does not manage', async () => {
    await expect(targetOf([hostedCluster({ etcd: { managementType: 'Unmanaged' } })])).rejects.toThrow(
      NoUsableMemberError,
    );
  });
});

describe('shards', () => {
  const sharded = (...shards: readonly object[]) =>
    hostedCluster({
      controllerAvailabilityPolicy: 'SingleReplica',
      etcd: { managementType: 'Managed', managed: { shards } },
    });
  const main = [statefulSet({ replicas: 1 }), claim('data-etcd-0')];

  it('are datastores of their own, with their own number of members', async () => {
    const { datastores } = await targetOf([
      sharded({ name: 'events', replicas: 3 }),
      ...main,
      statefulSet({ name: 'etcd-events' }),
      ...[0, 1, 2].map((index) => claim(`data-etcd-events-${index}`)),
    ]);
    expect(datastores.map(({ datastore, members }) => [datastore, members.length])).toEqual([
      ['main', 1],
      ['events', 3],
    ]);
    expect(datastores[1]?.members[2]).toMatchObject({
      claim: 'data-etcd-events-2',
      peerUrl: 'https://etcd-events-2.etcd-discovery-events.clusters-prod.svc:2380',
    });
  });

  it('without a volume are left out, and that is said', async () => {
    const { datastores, warnings } = await targetOf([
      sharded({ name: 'events' }),
      ...main,
      statefulSet({ name: 'etcd-events', replicas: 1, claimTemplates: [] }),
    ]);
    expect(datastores.map(({ datastore }) => datastore)).toEqual(['main']);
    expect(warnings).toContainEqual(expect.stringContaining('etcd events (StatefulSet etcd-events) is on no volume'));
  });
});

describe("where an etcd's data is", () => {
  it.each([
    ['a flag', { command: ['etcd', '--data-dir=/var/lib/data'], env: [] }, 'data'],
    [
      'a flag in a script',
      { command: ['/bin/sh', '-c', '/usr/bin/etcd \\\n--data-dir=/var/lib/data \\\n--name=${HOSTNAME}'], env: [] },
      'data',
    ],
    ['a flag in quotes', { command: ['/bin/sh', '-c', 'etcd --data-dir "/var/lib/data"'], env: [] }, 'data'],
    ['a flag and its value apart', { command: ['etcd'], args: ['--data-dir', '/var/lib/a/b/'], env: [] }, 'a/b'],
  ])('is told by %s', async (_, container, dataDirectory) => {
    const installation = await installationOf(statefulSet({ replicas: 1, container }), claim('data-etcd-0'));
    expect(installation).toMatchObject({ mountPath: '/var/lib', dataDirectory });
  });

  it('is on the innermost mount above it, whose claim goes by the name of its template', async () => {
    const container = {
      volumeMounts: [
        { mountPath: '/var', name: 'root' },
        { mountPath: '/var/lib/', name: 'store' },
        { mountPath: '/var/lib/database', name: 'other' },
      ],
    };
    const etcd = statefulSet({ replicas: 1, container, claimTemplates: ['root', 'store', 'other'] });
    const installation = await installationOf(etcd, claim('store-etcd-0'));
    expect(installation).toMatchObject({ mountPath: '/var/lib', members: [{ claim: 'store-etcd-0' }] });
  });

  it('may be the root of its volume', async () => {
    const container = { volumeMounts: [{ mountPath: '/var/lib/data', name: 'data' }] };
    const installation = await installationOf(statefulSet({ replicas: 1, container }), claim('data-etcd-0'));
    expect(installation).toMatchObject({ mountPath: '/var/lib/data', dataDirectory: '' });
  });

  it.each([
    ['nobody says', { env: [] }, /does not say where etcd's data is/],
    ['nothing is mounted', { volumeMounts: [{ mountPath: '/var/library', name: 'data' }] }, /nothing is mounted/],
    ['a part of the volume is', { volumeMounts: [{ mountPath: '/var/lib', name: 'data', subPath: 'a' }] }, /no room/],
  ])('is not supported where %s', async (_, container, message) => {
    const target = installationOf(statefulSet({ replicas: 1, container }), claim('data-etcd-0'));
    await expect(target).rejects.toThrow(UnsupportedError);
    await expect(target).rejects.toThrow(message);
  });

  it('is not found without its StatefulSet', async () => {
    await expect(installationOf()).rejects.toThrow(NotFoundError);
  });
});

describe("a member's node", () => {
  const bound = claim('data-etcd-0');

  it('is that of its pod', async () => {
    expect(await memberOf(bound, podOn('etcd-0', 'node-pod'))).toMatchObject({
      node: 'node-pod',
      podState: 'not-ready',
    });
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    const ready = { ...podOn('etcd-0', 'node-pod'), status };
    expect(await memberOf(bound, ready)).toMatchObject({ node: 'node-pod', podState: 'ready' });
  });

  it.each([
    ['it has no pod', []],
    ['its pod goes away, perhaps for ever', [podGoingAway]],
  ])('is any where %s', async (_, pods) => {
    expect(await memberOf(bound, ...pods)).toMatchObject({ node: null, podState: 'none' });
  });

  it('is any where its pod is not scheduled', async () => {
    expect(await memberOf(bound, podOn('etcd-0'))).toMatchObject({ node: null, podState: 'not-ready' });
  });
});

describe("a member's claim", () => {
  it('is made as the StatefulSet makes it when it is gone', async () => {
    expect(await memberOf()).toMatchObject({
      claim: 'data-etcd-0',
      capacityBytes: 8 * 1024 ** 3,
      lostClaim: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { namespace: NAMESPACE, name: 'data-etcd-0', labels: { of: 'template', app: 'etcd' } },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '8Gi' } } },
      },
    });
    expect(await memberOf(claim('data-etcd-0'))).toMatchObject({ lostClaim: null });
  });

  it.each([
    [
      'being deleted, for it goes with its pod',
      { deletionTimestamp: '2026-01-01T00:00:00Z' },
      'Bound',
      /is being deleted/,
    ],
    ['without its volume', {}, 'Lost', /has lost its volume/],
  ])('is refused while it is %s', async (_, metadata, phase, message) => {
    await expect(memberOf(claim('data-etcd-0', metadata, phase))).rejects.toThrow(RestoreRefusedError);
    await expect(memberOf(claim('data-etcd-0', metadata, phase))).rejects.toThrow(message);
  });
});
