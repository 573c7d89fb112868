import { isApiReady } from '../../control-planes/api-gate.ts';
import type { RestorePlan } from '../../domain/restore.ts';
import { isWhole } from '../open-restore.ts';
import { recordApiBack } from '../records.ts';
import { startsNothing } from '../resumed.ts';
import { behindFence } from './behind-fence.ts';

/**
 * Starts the API servers, until they say that they are ready. Back, they get the replicas that they had, and must be ready only if
 * they were.
 */
export const startControlPlane = behindFence({
  step: 'start-control-plane',
  remedy: 'Read the logs of the API servers; the datastore serves.',
  isOver: (item, ports) => startsNothing('start-control-plane', item, ports),
  look:
    (restore, { operation, direction }, ports) =>
    async () => {
      const { platform, cluster, name, plan } = restore;
      const mustServe = direction === 'forward' || wasServing(plan);
      for (const writer of plan.target.writers) {
        const replicas = direction === 'forward' ? writer.replicas : writer.foundReplicas;
        const waitsFor = await platform.apiServers.start(cluster.api, name, { ...writer, replicas });
        if (waitsFor !== undefined && mustServe) return waitsFor;
      }
      if (!mustServe) return undefined;
      if (!(await isApiReady(restore, ports))) return 'the API is not ready';
      await recordApiBack(operation, direction, ports.clock(), ports);
      return undefined;
    },
});

/** Whether every API server was ready before, and had a datastore that served. */
function wasServing(plan: RestorePlan): boolean {
  const { writers } = plan.target;
  return (
    isWhole(plan) && writers.every(({ foundReady, foundReplicas }) => foundReady > 0 && foundReady >= foundReplicas)
  );
}
