import { GateError } from '../../../domain/errors.ts';
import { statefulSetOf } from '../../../domain/restore-target.ts';
import { endWorkload, podsOf } from '../../../kube/workloads.ts';
import type { RestoreStrategy } from '../strategy.ts';
import { clear } from './clear.ts';
import { onVolumes } from './follow-pods.ts';
import { planSwap } from './plan.ts';
import { prepare } from './prepare.ts';
import { start } from './start.ts';

/**
 * For an etcd in a StatefulSet of its own: the data are restored beside the live ones on the volume of every member, and exchanged by
 * renaming directories while no etcd runs. The old ones stay on the volumes until the restore is cleared away.
 */
export const swapVolumes: RestoreStrategy = {
  plan: planSwap,
  prepare,

  // Watchers would miss what is restored below a revision that they have seen; etcd's mark is its revision.
  refuseOutgrown(marks) {
    for (const [{ datastore, revision, bump }, mark] of marks) {
      if (Number(mark) < revision + bump) continue;
      throw new GateError(`datastore ${datastore} has reached revision ${mark} since the restore was planned`, {
        remedy: 'Plan it anew: it was prepared for fewer writes than there were.',
      });
    }
  },

  stop:
    ({ cluster, datastores }) =>
    async () => {
      for (const { installation } of datastores) {
        const waitsFor = await endWorkload(cluster.api, statefulSetOf(installation));
        if (waitsFor !== undefined) return waitsFor;
      }
      return undefined;
    },

  exchange: (restore, direction, ports) =>
    onVolumes(restore, { action: direction === 'forward' ? 'swap' : 'back' }, ports),

  start,
  clear,

  async whatRuns({ installation }, { cluster }) {
    const { namespace, statefulSet } = installation;
    const pods = await podsOf(cluster.api, statefulSetOf(installation));
    return pods.length === 0 ? undefined : `StatefulSet ${namespace}/${statefulSet}`;
  },
};
