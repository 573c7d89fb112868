import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterUnreachableError } from '../../../lambdas/domain/errors.ts';
import { permissionsOf } from '../../../lambdas/kube/enrolment-objects.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { startThrottlingProxy, type ThrottlingProxy } from '../../testbed/throttling-proxy.ts';
import { expectTransient } from '../../suite/aftermath.ts';
import { directoryWorkspace, SETUP_TIMEOUT_MILLISECONDS, sharedBed, sharedHostedCluster } from '../bed.ts';
import { backUpInProcess } from './in-process.ts';
import { varyKubeconfig } from '../kubeconfig-variants.ts';
import { ServiceAccount } from '../service-account.ts';

let directory: string;
let workspace: Workspace;
let hosted: HostedCluster;
let account: ServiceAccount;
let proxy: ThrottlingProxy;

beforeAll(async () => {
  const bed = await sharedBed();
  const [cluster] = bed.clusters;
  proxy = await startThrottlingProxy(cluster);
  hosted = await sharedHostedCluster(cluster);
  account = await ServiceAccount.create(cluster, hosted.namespace, 'lifeboat-throttled');
  await account.grant(permissionsOf(hypershift.backupPermissions));
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-throttled-'));
  const kubeconfigPath = join(directory, 'kubeconfig');
  const kubeconfig = varyKubeconfig(await account.kubeconfig(), { cluster: { server: proxy.server } });
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 });
  workspace = await directoryWorkspace(bed, { kubeconfigs: { 'mgmt-a': kubeconfigPath } });
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await proxy.stop();
  await workspace.remove();
  await rm(directory, { recursive: true });
  await account.remove();
}, SETUP_TIMEOUT_MILLISECONDS);
beforeEach(() => {
  proxy.refuse(0);
});

const backUp = () => backUpInProcess(workspace, `mgmt-a/${hosted.namespace}/${hosted.name}`);

describe('a backup through an API server that throttles', () => {
  it('waits as it is told, and succeeds', async () => {
    proxy.refuse(5);
    const { manifest, error } = await backUp();
    expect(error).toBeUndefined();
    expect(manifest?.proofs.map(({ result }) => result)).toEqual(['passed', 'passed', 'passed', 'passed']);
    expect(proxy.refused).toBe(5);
  }, 120_000);

  it('opens a tunnel again that was refused', async () => {
    proxy.refuse(1, '/portforward');
    const { manifest } = await backUp();
    expect(manifest?.datastores[0]?.memberChoice).toContainEqual(
      expect.stringMatching(
        /^etcd-0: failed, could not .* pods\/portforward .*: the API server is throttling \(429\)$/,
      ),
    );
    expect(proxy.refused).toBe(1);
  }, 120_000);

  it('gives up after a few attempts when that does not end', async () => {
    proxy.refuse(Infinity);
    const { error } = await backUp();
    expect(error).toBeInstanceOf(ClusterUnreachableError);
    expect(String(error)).toContain('the API server is throttling (429)');
    expectTransient(error);
    expect(proxy.refused).toBeGreaterThan(3);
    expect(proxy.refused).toBeLessThan(20);
  }, 120_000);

  it('gives up after a few tunnels when that does not end', async () => {
    proxy.refuse(Infinity, '/portforward');
    const { error } = await backUp();
    expect(String(error)).toContain('the API server is throttling (429)');
    expectTransient(error);
    expect(proxy.refused).toBe(3);
  }, 120_000);
});
