import { loadConfiguration } from '../../../bin/local/configuration-file.ts';
import { openPorts, type Ports } from '../../../bin/local/ports.ts';
import type { Reach } from '../../../lambdas/datastores/etcd/reach-member.ts';
import { parseControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import type { EtcdWorkload } from '../../../lambdas/domain/etcd-workload.ts';
import { platforms } from '../../../lambdas/platforms/registry.ts';

/** What a measured program works with: the product's own ports, and the one etcd of a control plane. */
export interface MeasuredEtcd {
  readonly ports: Ports;
  readonly workload: EtcdWorkload;
  readonly reach: Reach;
}

/** Finds the etcd of the control plane that the command line names, measures `work` on it, and prints `{"milliseconds"}`. */
export async function measure(work: (etcd: MeasuredEtcd) => Promise<void>): Promise<void> {
  const controlPlane = parseControlPlaneName(process.argv[2] ?? '');
  const { signal } = new AbortController();
  const ports = await openPorts(loadConfiguration(undefined, process.cwd()), () => undefined, signal);
  try {
    const cluster = await ports.connect(controlPlane.managementCluster);
    const [etcd] = (await platforms.hypershift.describe(cluster.api, controlPlane)).datastores;
    if (etcd === undefined) throw new Error(`${process.argv[2] ?? ''} has no etcd`);
    const workload = { ...etcd, tls: await platforms.hypershift.datastoreAccess.etcdTls(cluster.api, controlPlane) };
    const startedAt = performance.now();
    await work({ ports, workload, reach: { cluster, signal } });
    process.stdout.write(JSON.stringify({ milliseconds: performance.now() - startedAt }));
  } finally {
    ports.close();
  }
}
