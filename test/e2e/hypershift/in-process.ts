import { loadConfiguration } from '../../../bin/local/configuration-file.ts';
import { openPorts } from '../../../bin/local/ports.ts';
import { parseControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import type { ReportProgress } from '../../../lambdas/domain/progress.ts';
import { platforms } from '../../../lambdas/platforms/registry.ts';
import { takeRecoveryPoint } from '../../../lambdas/recovery-points/take.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import '../../core-errors.ts';
import type { Outcome } from '../../suite/aftermath.ts';
import type { Workspace } from '../../suite/lifeboat.ts';

/** No backup of the suites takes as long; one that hangs ends with an error that is none of ours. */
const TIMEOUT_MILLISECONDS = 180_000;

export interface InProcessOptions {
  readonly report?: ReportProgress;
  readonly watchdogMilliseconds?: number;
  /** In place of the configured store, e.g. with tighter bounds. */
  readonly store?: ObjectStore;
}

/**
 * `lifeboat backup` with the ports that the command line builds, but in this process: so a test can act at a certain point
 * of its progress and set its bounds.
 */
export async function backUpInProcess(
  workspace: Workspace,
  controlPlane: string,
  { report = () => undefined, store, ...bounds }: InProcessOptions = {},
): Promise<Outcome> {
  const configuration = loadConfiguration(undefined, workspace.directory);
  const ports = await openPorts(configuration, report, AbortSignal.timeout(TIMEOUT_MILLISECONDS));
  const name = parseControlPlaneName(controlPlane);
  try {
    const cluster = await ports.connect(name.managementCluster);
    const manifest = await takeRecoveryPoint(
      { controlPlane: name, platform: platforms.hypershift, reason: 'on-demand' },
      { ...ports, cluster, ...bounds, ...(store === undefined ? {} : { store, catalogue: new Catalogue(store) }) },
    );
    return { manifest };
  } catch (error) {
    return { error };
  } finally {
    ports.close();
  }
}
