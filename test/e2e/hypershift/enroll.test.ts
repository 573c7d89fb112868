import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestSchema } from '../../../lambdas/domain/recovery-point.ts';
import { PURPOSES, type Purpose } from '../../../lambdas/domain/purpose.ts';
import type { CommandOutcome, Workspace } from '../../suite/lifeboat.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import type { Bed } from '../../testbed/bed.ts';
import { runCommand } from '../../testbed/command.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import {
  accountsOf,
  directoryWorkspace,
  plantHostedCluster,
  readToken,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'enroll';
const CONTROL_PLANE = `mgmt-a/${NAMESPACE}/prod`;
/** Where the account lives; the suites' own is in another namespace. */
const ACCOUNT_NAMESPACE = 'enroll-account';
const FOREIGN_NAMESPACE = 'enroll-foreign';

let bed: Bed;
let cluster: ManagementCluster;
let hosted: HostedCluster;
/** With the administrator's access to `mgmt-a`. */
let administrator: Workspace;
let kubeconfig: string;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
  administrator = await directoryWorkspace(bed, { kubeconfigs: { 'mgmt-a': cluster.kubeconfigPath } });
  kubeconfig = join(administrator.directory, 'minted.kubeconfig');
  hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name: 'prod', members: 1, etcdVersion: '3.6.5' });
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await administrator.remove();
  const bindings = PURPOSES.map((purpose) => `lifeboat-${purpose}:${ACCOUNT_NAMESPACE}:lifeboat-${purpose}`);
  await cluster.kubectl(['delete', 'clusterrolebinding', ...bindings, '--ignore-not-found']);
  await cluster.kubectl(['delete', 'namespace', ACCOUNT_NAMESPACE, FOREIGN_NAMESPACE, '--ignore-not-found']);
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

async function enroll(...args: readonly string[]): Promise<CommandOutcome> {
  return await administrator.run(['enroll', 'mgmt-a', '--namespace', ACCOUNT_NAMESPACE, ...args]);
}

/** Every object of ours with its version, which any write changes; without the accounts that other suites make meanwhile. */
async function ourObjects(): Promise<string> {
  const object = '{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}';
  const objects = await cluster.kubectl([
    ...['get', 'namespaces,serviceaccounts,clusterroles,clusterrolebindings', '--all-namespaces'],
    ...['--selector', 'app.kubernetes.io/managed-by=lifeboat'],
    `--output=jsonpath={range .items[*]}${object}{"\\n"}{end}`,
  ]);
  return objects
    .split('\n')
    .filter((line) => !line.includes(accountsOf('')))
    .join('\n');
}

describe('lifeboat enroll', () => {
  it('prints what it would make, for backup and for restore, and makes nothing', async () => {
    const before = await ourObjects();
    for (const purpose of ['backup', 'restore'] as const) {
      const { exitCode, stdout } = await enroll('--for', purpose);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`name: lifeboat-${purpose}`);
      expect(await cluster.kubectl(['apply', '--dry-run=client', '-f', '-'], { input: stdout })).toContain(
        `clusterrole.rbac.authorization.k8s.io/lifeboat-${purpose}`,
      );
    }
    expect(await ourObjects()).toBe(before);
  }, 60_000);

  it('makes the account and its kubeconfig with --apply, says when the token ends, and prints nothing of it', async () => {
    const { exitCode, stdout, stderr } = await enroll('--apply', '--to', kubeconfig, '--token-days', '2');
    const token = await readToken(kubeconfig);
    await plantSecrets([token]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('permissions: all rules checked and effective');
    const [, payload = ''] = token.split('.');
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: number };
    expect(stdout).toContain(`ends ${new Date(exp * 1000).toISOString()}`);
    for (const part of token.split('.')) expect(stdout).not.toContain(part);
    expect((await stat(kubeconfig)).mode & 0o777).toBe(0o600);
  }, 60_000);

  it('changes nothing the second time but the token', async () => {
    const before = await ourObjects();
    const formerToken = await readToken(kubeconfig);
    const { exitCode, stdout } = await enroll('--apply', '--to', kubeconfig, '--force', '--json');
    expect(exitCode).toBe(0);
    const { objects } = JSON.parse(stdout) as { objects: { outcome: string }[] };
    expect(objects.map(({ outcome }) => outcome)).toEqual(objects.map(() => 'unchanged'));
    expect(await ourObjects()).toBe(before);
    const token = await readToken(kubeconfig);
    await plantSecrets([token]);
    expect(token).not.toBe(formerToken);
  }, 60_000);

  it('touches nothing when somebody else has an account of that name', async () => {
    await cluster.kubectl(['create', 'namespace', FOREIGN_NAMESPACE]);
    await cluster.kubectl(['create', 'serviceaccount', 'lifeboat-backup', '--namespace', FOREIGN_NAMESPACE]);
    const foreign = () =>
      cluster.kubectl(['get', 'serviceaccount/lifeboat-backup', '--namespace', FOREIGN_NAMESPACE, '--output=yaml']);
    const before = [await ourObjects(), await foreign()];
    const target = join(administrator.directory, 'foreign.kubeconfig');
    const { exitCode, stderr } = await enroll('--namespace', FOREIGN_NAMESPACE, '--apply', '--to', target);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`left alone: ServiceAccount ${FOREIGN_NAMESPACE}/lifeboat-backup`);
    expect([await ourObjects(), await foreign()]).toEqual(before);
    await expect(stat(target)).rejects.toThrow('ENOENT');
  }, 60_000);
});

describe('a backup with the account', () => {
  it('is discovered, taken and verified', async () => {
    const workspace = await directoryWorkspace(bed, { kubeconfigs: { 'mgmt-a': kubeconfig } });
    try {
      expect((await workspace.run(['discover'])).stdout).toContain(CONTROL_PLANE);
      const { id, proofs } = manifestSchema.parse(await workspace.json(['backup', CONTROL_PLANE]));
      expect(proofs.map(({ result }) => result)).toEqual(['passed', 'passed', 'passed', 'passed']);
      expect(await workspace.run(['verify', id, '--live'])).toMatchObject({ exitCode: 0 });
    } finally {
      await workspace.remove();
    }
  }, 120_000);
});

interface Act {
  readonly act: string;
  readonly args: readonly string[];
  readonly body?: object;
}

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'intruder' },
  spec: { containers: [{ name: 'c', image: 'x' }] },
};
const SECRET = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'intruder' } };
const TOKEN = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
const PAUSE = JSON.stringify({ spec: { pausedUntil: 'true' } });
const ETCD = `/api/v1/namespaces/${NAMESPACE}-prod`;
const STATEFUL_SETS = `/apis/apps/v1/namespaces/${NAMESPACE}-prod/statefulsets`;
const HOSTED_CLUSTERS = `/apis/hypershift.openshift.io/v1beta1/namespaces/${NAMESPACE}/hostedclusters`;
const CLUSTER_ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

const actsOf = (purpose: Purpose): Act[] => [
  { act: 'list the Secrets of a control plane', args: ['get', '--raw', `${ETCD}/secrets`] },
  { act: 'list all Secrets', args: ['get', '--raw', '/api/v1/secrets'] },
  { act: 'watch a Secret', args: ['get', '--raw', `${ETCD}/secrets?watch=true&timeoutSeconds=1`] },
  { act: 'delete a Secret', args: ['delete', '--raw', `${ETCD}/secrets/etcd-client-tls`] },
  {
    act: 'change a Secret',
    args: ['patch', 'secret/etcd-client-tls', `--namespace=${NAMESPACE}-prod`, '--type=merge', '-p', '{"data":{}}'],
  },
  {
    act: 'run a command in a pod',
    args: ['create', '--raw', `${ETCD}/pods/etcd-0/exec?command=ls`, '--filename=-'],
    body: {},
  },
  { act: 'read the log of a pod', args: ['get', '--raw', `${ETCD}/pods/etcd-0/log`] },
  { act: 'delete a claim', args: ['delete', '--raw', `${ETCD}/persistentvolumeclaims/data-etcd-0`] },
  { act: 'delete the StatefulSet of etcd', args: ['delete', '--raw', `${STATEFUL_SETS}/etcd`] },
  {
    act: 'change the pods of etcd',
    args: ['patch', 'statefulset/etcd', `--namespace=${NAMESPACE}-prod`, '--type=merge', '-p', '{"spec":{}}'],
  },
  { act: 'delete a HostedCluster', args: ['delete', '--raw', `${HOSTED_CLUSTERS}/prod`] },
  {
    act: 'pause a NodePool',
    args: ['patch', 'nodepool/prod-pool-0', `--namespace=${NAMESPACE}`, '--type=merge', '-p', PAUSE],
  },
  {
    act: 'mint a token for itself',
    args: [
      ...['create', '--filename=-', '--raw'],
      `/api/v1/namespaces/${ACCOUNT_NAMESPACE}/serviceaccounts/lifeboat-${purpose}/token`,
    ],
    body: TOKEN,
  },
  { act: 'delete its role', args: ['delete', '--raw', `${CLUSTER_ROLES}/lifeboat-${purpose}`] },
];
/** What a restore has to do, and a backup has not. */
const ACTS_OF_RESTORE: readonly Act[] = [
  { act: 'create a pod', args: ['create', '--raw', `${ETCD}/pods`, '--filename=-'], body: POD },
  { act: 'delete a pod', args: ['delete', '--raw', `${ETCD}/pods/etcd-0`] },
  { act: 'create a Secret', args: ['create', '--raw', `${ETCD}/secrets`, '--filename=-'], body: SECRET },
  {
    act: 'attach to a pod',
    args: ['create', '--raw', `${ETCD}/pods/etcd-0/attach?stdin=1`, '--filename=-'],
    body: {},
  },
  {
    act: 'stop etcd',
    args: ['scale', 'statefulset/etcd', `--namespace=${NAMESPACE}-prod`, '--replicas=0'],
  },
  {
    act: 'pause a HostedCluster',
    args: ['patch', 'hostedcluster/prod', `--namespace=${NAMESPACE}`, '--type=merge', '-p', PAUSE],
  },
];

describe.each([
  { purpose: 'backup', acts: [...actsOf('backup'), ...ACTS_OF_RESTORE] },
  { purpose: 'restore', acts: actsOf('restore') },
] as const)('the account for $purpose', ({ purpose, acts }) => {
  let ownKubeconfig: string;

  beforeAll(async () => {
    ownKubeconfig = join(administrator.directory, `${purpose}.kubeconfig`);
    expect(await enroll('--for', purpose, '--apply', '--to', ownKubeconfig)).toMatchObject({ exitCode: 0 });
    await plantSecrets([await readToken(ownKubeconfig)]);
  }, SETUP_TIMEOUT_MILLISECONDS);

  it.each(acts)(
    'may not $act',
    async ({ args, body }) => {
      const input = body === undefined ? {} : { input: JSON.stringify(body) };
      const { exitCode, stderr } = await runCommand(
        cluster.kubectlPath,
        ['--kubeconfig', ownKubeconfig, ...args],
        input,
      );
      expect(stderr).toMatch(/\(Forbidden\)/);
      expect(exitCode).toBe(1);
    },
    30_000,
  );
});
