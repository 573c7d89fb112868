import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { TestbedError } from '../errors.ts';
import type { EtcdVersion } from '../etcd.ts';
import { BUSYBOX_IMAGE } from '../images.ts';
import type { ManagementCluster } from '../management-cluster.ts';
import type { Report } from '../progress.ts';
import { createHostedCluster, HostedCluster } from './hosted-cluster.ts';
import { installHyperShift } from './install.ts';

/** What `up` takes to have a hosted cluster on the bed's first management cluster. */
export interface HostedClusterChoice {
  readonly hostedCluster?: { readonly namespace: string; readonly name: string };
  readonly members: '1' | '3';
  readonly etcd: EtcdVersion;
  readonly aescbc?: boolean;
}

function parseName(text: string): { namespace: string; name: string } {
  const [, namespace, name] = /^([a-z0-9-]+)\/([a-z0-9.-]+)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined) throw new InvalidArgumentError('Write <namespace>/<name>.');
  return { namespace, name };
}

export function hostedClusterOptions(): Option[] {
  return [
    new Option('--hosted-cluster <namespace/name>', 'a hosted cluster on the first management cluster').argParser(
      parseName,
    ),
    new Option('--members <number>', 'etcd members of the hosted cluster').choices(['1', '3']).default('3'),
    new Option('--etcd <version>', 'etcd version of the hosted cluster').choices(['3.5.21', '3.6.5']).default('3.6.5'),
    new Option('--aescbc', 'encrypts Secrets of the hosted cluster at rest'),
  ];
}

/** Creates the chosen hosted cluster when it is not there, and says how to reach it; no lines when none was chosen. */
export async function upHostedCluster(
  cluster: ManagementCluster,
  { hostedCluster, members, etcd, aescbc = false }: HostedClusterChoice,
  report: Report,
): Promise<string[]> {
  if (hostedCluster === undefined) return [];
  const { namespace, name } = hostedCluster;
  const label = `${cluster.name}/${namespace}/${name}`;
  await installHyperShift(cluster);
  const hosted = new HostedCluster(cluster, namespace, name);
  if (!(await hosted.exists())) {
    report(`${label}: creating it`);
    await createHostedCluster(cluster, {
      namespace,
      name,
      members: members === '1' ? 1 : 3,
      etcdVersion: etcd,
      ...(aescbc ? { encryption: 'aescbc' } : {}),
      wait: false,
    });
  }
  await hosted.waitUntilReady();
  report(`${label}: ready`);
  return [await describeHostedCluster(hosted)];
}

/** How to reach every hosted cluster of a management cluster, and what restores of them need in `lifeboat.yaml`. */
export async function describeHostedClusters(cluster: ManagementCluster): Promise<string[]> {
  const hosted = await HostedCluster.allOn(cluster);
  const lines = await Promise.all(hosted.map(describeHostedCluster));
  return lines.length === 0
    ? []
    : [...lines, `  for restores, in lifeboat.yaml: restore: { helperImage: ${BUSYBOX_IMAGE} }`];
}

/** Writes its kubeconfig, which may not be there yet. */
async function describeHostedCluster(hosted: HostedCluster): Promise<string> {
  const { cluster, namespace, name, controlPlaneNamespace } = hosted;
  const label = `  ${cluster.name}/${namespace}/${name}`;
  const path = join(cluster.stateDirectory, `${controlPlaneNamespace}.kubeconfig`);
  try {
    await writeFile(path, await hosted.kubeconfig(), { mode: 0o600 });
  } catch (error) {
    if (!(error instanceof TestbedError)) throw error;
    return `${label}: ${error.message}`;
  }
  return `${label}: export KUBECONFIG=${path}`;
}
