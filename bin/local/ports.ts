import { parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import type { ReportProgress } from '../../lambdas/domain/progress.ts';
import type { Purpose } from '../../lambdas/domain/purpose.ts';
import { isRecoveryPointId } from '../../lambdas/domain/recovery-point.ts';
import { openConnections } from '../../lambdas/kube/connections.ts';
import type { LifeboatEvent } from '../../lambdas/domain/events.ts';
import type { ClusterRunPorts } from '../../lambdas/operations/ports.ts';
import { Catalogue, type CataloguedPoint } from '../../lambdas/store/catalogue.ts';
import { Journal } from '../../lambdas/store/journal.ts';
import { Locks } from '../../lambdas/store/locks.ts';
import { openStore } from '../../lambdas/store/open-store.ts';
import type { LoadedConfiguration } from './configuration-file.ts';
import { configuredKubeconfigs } from './kubeconfig-files.ts';
import { toolVersion } from './tool-version.ts';

/** Everything that commands work with. */
export interface Ports extends ClusterRunPorts {
  readonly managementClusters: readonly string[];
  /** A recovery point by `<id>` or `<control plane>/<id>`. */
  findPoint(reference: string): Promise<CataloguedPoint>;
  readonly close: () => void;
}

/** Builds the real ports from the configuration, with the accounts and the journal for a purpose; nothing is contacted yet. */
export async function openPorts(
  loaded: LoadedConfiguration,
  report: ReportProgress,
  signal: AbortSignal,
  purpose: Purpose = 'backup',
): Promise<Ports> {
  const { configuration } = loaded;
  const store = await openStore(configuration.store, configuration.s3, loaded.resolvePath('.'));
  const catalogue = new Catalogue(store);
  const clock = () => new Date();
  const accesses = configuredKubeconfigs(loaded, purpose);
  const { connect, close } = openConnections(accesses);
  return {
    store,
    catalogue,
    journal: new Journal(store, purpose),
    locks: new Locks(store),
    events: {
      publish(event) {
        report({ kind: 'note', text: describeEvent(event) });
        return Promise.resolve();
      },
    },
    configuration,
    report,
    signal,
    managementClusters: Object.keys(configuration.managementClusters),
    clock,
    now: () => performance.now(),
    random: Math.random,
    toolVersion: toolVersion(),
    connect,
    restoreCredentialsEndAt: (managementCluster) => accesses.restoreCredentialsEndAt(managementCluster),
    close,
    findPoint: (reference) => findPoint(catalogue, reference),
  };
}

async function findPoint(catalogue: Catalogue, reference: string): Promise<CataloguedPoint> {
  const slash = reference.lastIndexOf('/');
  const id = reference.slice(slash + 1);
  if (!isRecoveryPointId(id)) {
    throw new ConfigurationError(`"${reference}" does not name a recovery point`, {
      remedy: 'Give an id such as 20260102T030405Z-a1b2, or <control plane>/<id>; "lifeboat list" shows them.',
    });
  }
  return await catalogue.find(id, slash < 0 ? undefined : parseControlPlaneName(reference.slice(0, slash)));
}

function describeEvent({ type, detail }: LifeboatEvent): string {
  return `${type} ${'id' in detail ? detail.id : detail.runId}`;
}
