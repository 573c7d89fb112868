import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { permissionsOf } from '../../../lambdas/kube/enrolment-objects.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { manifestSchema } from '../../../lambdas/domain/recovery-point.ts';
import type { CommandOutcome, Workspace } from '../../suite/lifeboat.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';
import { base64, certificateUser, varyKubeconfig } from '../kubeconfig-variants.ts';
import { ServiceAccount } from '../service-account.ts';

const NAMESPACE = 'access-faults';
const CONTROL_PLANE = `mgmt-a/${NAMESPACE}/prod`;
const HOUR_MILLISECONDS = 3_600_000;

let cluster: ManagementCluster;
let hosted: HostedCluster;
let workspace: Workspace;
let directory: string;
let kubeconfigPath: string;

/** Runs the command line with this kubeconfig for the management cluster. */
async function runWith(kubeconfig: string, args: readonly string[]): Promise<CommandOutcome> {
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 });
  return await workspace.run(args);
}
const backUpWith = (kubeconfig: string) => runWith(kubeconfig, ['backup', CONTROL_PLANE]);
const listed = async () => ((await workspace.json(['list'])) as { recoveryPoints: unknown[] }).recoveryPoints.length;

beforeAll(async () => {
  const bed = await sharedBed();
  [cluster] = bed.clusters;
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-access-'));
  kubeconfigPath = join(directory, 'kubeconfig');
  workspace = await directoryWorkspace(bed, { kubeconfigs: { 'mgmt-a': kubeconfigPath } });
  hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name: 'prod', members: 1, etcdVersion: '3.6.5' });
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
  await rm(directory, { recursive: true });
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

describe('a backup with credentials that are no good', () => {
  const certificateOf = (validity: { notBefore?: Date; notAfter?: Date }, authority = cluster.authority) =>
    issueCertificate(authority, { commonName: 'lifeboat', organizations: ['system:masters'], ...validity });
  const hoursFromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MILLISECONDS);

  it.each([
    [
      'an expired client certificate',
      () => ({ user: certificateUser(certificateOf({ notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) })) }),
      /the client certificate in .*kubeconfig expired on /,
      /Issue a new client certificate/,
    ],
    [
      'a client certificate that is not valid yet',
      () => ({ user: certificateUser(certificateOf({ notBefore: hoursFromNow(1) })) }),
      /the client certificate in .*kubeconfig is not valid before /,
      /Issue a new client certificate/,
    ],
    [
      'a client certificate of another authority',
      () => ({ user: certificateUser(certificateOf({}, createAuthority('stranger'))) }),
      /the API server did not accept the credentials in .*kubeconfig/,
      /not signed by the CA for clients of this cluster/,
    ],
    [
      'the CA of another cluster',
      () => ({ cluster: { 'certificate-authority-data': base64(createAuthority('stranger').certificate) } }),
      /the CA in .*kubeconfig does not match the API server https:/,
      /Put the cluster's present CA into certificate-authority-data/,
    ],
    [
      'a token that nobody knows',
      () => ({ user: { token: 'a-token-that-nobody-knows' } }),
      /the API server did not accept the credentials in .*kubeconfig/,
      /put a new one into the kubeconfig/,
    ],
    [
      'a program that makes the credentials',
      () => ({ user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws' } } }),
      /kubeconfig .*kubeconfig: user\.exec runs a program/,
      /kubectl create token/,
    ],
    [
      'the path of a key file',
      () => ({ user: { 'client-certificate': '/etc/c.crt', 'client-key': '/etc/c.key' } }),
      /kubeconfig .*kubeconfig: user\.client-certificate is a file path/,
      /kubectl config view --raw --flatten/,
    ],
    [
      'no check of the API server',
      () => ({ cluster: { 'insecure-skip-tls-verify': true } }),
      /kubeconfig .*kubeconfig: cluster\.insecure-skip-tls-verify would let anybody answer/,
      /Remove it/,
    ],
    [
      'an address without TLS',
      () => ({ cluster: { server: 'http://127.0.0.1:8080' } }),
      /kubeconfig .*kubeconfig: cluster\.server is not an https address/,
      /Write https:/,
    ],
  ])(
    'is refused: %s',
    async (_, variant, message, remedy) => {
      const { exitCode, stderr } = await backUpWith(varyKubeconfig(cluster.kubeconfig, variant()));
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(remedy);
      expect(exitCode).toBe(2);
    },
    60_000,
  );

  it('is refused: a kubeconfig that is none', async () => {
    const { exitCode, stderr } = await backUpWith('clusters: [');
    expect(stderr).toMatch(/kubeconfig .*kubeconfig: not valid YAML/);
    expect(exitCode).toBe(2);
  }, 60_000);
});

describe('a ServiceAccount', () => {
  const permissions = permissionsOf(hypershift.backupPermissions);
  let account: ServiceAccount;
  let kubeconfig: string;

  beforeAll(async () => {
    account = await ServiceAccount.create(cluster, NAMESPACE, 'lifeboat-backup');
    kubeconfig = await account.kubeconfig();
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(() => account.remove(), SETUP_TIMEOUT_MILLISECONDS);

  it('discovers, backs up and verifies with the documented permissions and nothing else', async () => {
    await account.grant(permissions);
    const discovered = await runWith(kubeconfig, ['discover', '--json']);
    expect(discovered.stdout).toContain(CONTROL_PLANE);
    const taken = await runWith(kubeconfig, ['backup', CONTROL_PLANE, '--json']);
    expect(taken.exitCode).toBe(0);
    const { id, proofs } = manifestSchema.parse(JSON.parse(taken.stdout));
    expect(proofs.map(({ result }) => result)).toEqual(['passed', 'passed', 'passed', 'passed']);
    expect(await runWith(kubeconfig, ['verify', id, '--live'])).toMatchObject({ exitCode: 0 });
  }, 120_000);

  it.each(permissions)(
    'that may not $verb $resource is told so, and which rule to add',
    async (missing) => {
      const { group, resource, verb } = missing;
      const before = await listed();
      await account.grant(
        permissions.filter((permission) => permission !== missing),
        [missing],
      );
      const command = resource === 'hostedclusters' && verb === 'list' ? ['discover'] : ['backup', CONTROL_PLANE];
      const { exitCode, stdout, stderr } = await runWith(kubeconfig, command);
      const told = stderr + stdout;
      const named = resource === '*' ? '[a-z]+' : resource;
      expect(told).toMatch(new RegExp(`the user in ${kubeconfigPath} may not [a-z ]*\\b${verb}\\b[a-z ]* ${named}`));
      expect(told).toMatch(
        new RegExp(`next: +Add this rule .*apiGroups: \\["${group}"\\], resources: \\["${named}"\\].*"${verb}"`),
      );
      expect(exitCode).toBe(2);
      expect(await listed()).toBe(before);
    },
    60_000,
  );
});

describe('a backup of an etcd that does not know us', () => {
  const secret = () => ['secret', 'etcd-client-tls', '--namespace', hosted.controlPlaneNamespace];
  const configMap = () => ['configmap', 'etcd-ca', '--namespace', hosted.controlPlaneNamespace];
  const pause = async (pausedUntil: string | null) => {
    const patch = JSON.stringify({ spec: { pausedUntil } });
    const object = ['hostedcluster/prod', '--namespace', NAMESPACE];
    await cluster.kubectl(['patch', ...object, '--type=merge', '--patch', patch]);
    const active = pausedUntil === null ? 'True' : 'False';
    await cluster.kubectl(['wait', ...object, `--for=condition=ReconciliationActive=${active}`, '--timeout=30s']);
  };

  // Or the operator would put back within a second what the tests take away.
  beforeAll(() => pause('true'), SETUP_TIMEOUT_MILLISECONDS);
  afterAll(() => pause(null), SETUP_TIMEOUT_MILLISECONDS);

  /** Changes an object for the time of a backup. */
  async function backUpWithout(target: readonly string[], change: () => Promise<unknown>): Promise<CommandOutcome> {
    const original = await cluster.kubectl(['get', ...target, '--output=json']);
    await change();
    try {
      return await backUpWith(cluster.kubeconfig);
    } finally {
      await cluster.kubectl(['delete', ...target, '--ignore-not-found']);
      const { metadata, ...rest } = JSON.parse(original) as { metadata: Record<string, unknown> };
      const { name, namespace, labels, annotations, ownerReferences } = metadata;
      const again = { ...rest, metadata: { name, namespace, labels, annotations, ownerReferences } };
      await cluster.kubectl(['create', '--filename', '-'], { input: JSON.stringify(again) });
    }
  }

  const patch = (target: readonly string[], data: Record<string, string>) =>
    cluster.kubectl(['patch', ...target, '--type=merge', '--patch', JSON.stringify({ data })]);

  it('is refused when the client certificate is of another authority', async () => {
    const { certificate, key } = issueCertificate(createAuthority('stranger'), { commonName: 'etcd-client' });
    const data = { 'etcd-client.crt': base64(certificate), 'etcd-client.key': base64(key) };
    const { exitCode, stderr } = await backUpWithout(secret(), () => patch(secret(), data));
    expect(stderr).toMatch(/etcd member etcd-0 did not let us in: it (refused|does not trust)/);
    expect(stderr).toMatch(/next: +Check that the client certificate is signed by the CA that etcd trusts/);
    expect(exitCode).toBe(2);
  }, 60_000);

  it('is refused when the CA is not that of the member', async () => {
    const data = { 'ca.crt': createAuthority('stranger').certificate };
    const { exitCode, stderr } = await backUpWithout(configMap(), () => patch(configMap(), data));
    expect(stderr).toMatch(
      /etcd member etcd-0 can't be trusted: its server certificate was not signed by the given CA/,
    );
    expect(exitCode).toBe(2);
  }, 60_000);

  it('names the Secret with the client certificate when it is missing', async () => {
    const { exitCode, stderr } = await backUpWithout(secret(), () => cluster.kubectl(['delete', ...secret()]));
    expect(stderr).toMatch(/has no Secret etcd-client-tls \(etcd-client\.crt\)/);
    expect(exitCode).toBe(2);
  }, 60_000);
});
