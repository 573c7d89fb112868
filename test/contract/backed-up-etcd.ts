import type { Manifest } from '../../lambdas/domain/recovery-point.ts';
import type { ReportProgress } from '../../lambdas/domain/progress.ts';
import type { Cluster } from '../../lambdas/kube/cluster.ts';
import type { Platform } from '../../lambdas/platforms/platform.ts';
import { takeRecoveryPoint } from '../../lambdas/recovery-points/take.ts';
import { Catalogue } from '../../lambdas/store/catalogue.ts';
import type { ObjectStore } from '../../lambdas/store/object-store.ts';
import type { SecureEtcd } from '../testbed/secure-etcd.ts';
import { CONTROL_PLANE } from './stored-points.ts';

/** What a backup works with; members are reached directly unless said otherwise. */
export interface BackupOptions {
  readonly store: ObjectStore;
  readonly clock?: () => Date;
  readonly report?: ReportProgress;
  readonly openTunnel?: Cluster['openTunnel'];
  readonly signal?: AbortSignal;
}

/** Takes a recovery point of an etcd, as of a control plane whose datastore it is. */
export async function backUpEtcd(etcd: SecureEtcd, options: BackupOptions): Promise<Manifest> {
  const { store, clock = () => new Date(), report = () => undefined } = options;
  const { openTunnel = etcd.cluster.openTunnel, signal = new AbortController().signal } = options;
  const cluster = { api: { version: () => Promise.resolve('v1.35.4') }, openTunnel } as unknown as Cluster;
  return await takeRecoveryPoint(
    { controlPlane: CONTROL_PLANE, platform: platformOf(etcd), reason: 'on-demand' },
    {
      ...{ store, catalogue: new Catalogue(store), random: Math.random, toolVersion: '0.0.0-test' },
      ...{ cluster, clock, report, signal, now: () => performance.now() },
    },
  );
}

/** As much of a platform as a backup asks. */
function platformOf({ workload: { tls, ...datastore } }: SecureEtcd): Platform {
  const described = { uid: 'uid', version: '4.20.1', datastores: [datastore], warnings: [] };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'clusters', name: 'pull-secret' } };
  const asked: Partial<Platform> = {
    name: 'hypershift',
    describe: () => Promise.resolve(described),
    datastoreAccess: { etcdTls: () => Promise.resolve(tls) },
    captureIdentity: () => Promise.resolve([secret]),
  };
  return asked as Platform;
}
