import type { Datastore } from '../../domain/datastore.ts';
import { NotFoundError } from '../../domain/errors.ts';
import type { Manifest } from '../../domain/recovery-point.ts';
import type { RestorePlan } from '../../domain/restore.ts';
import type { RestoreStrategy } from './strategy.ts';
import { swapVolumes } from './swap-volumes/swap-volumes.ts';

/** Every strategy, one line each. */
export const strategies: Readonly<Record<RestorePlan['strategy'], RestoreStrategy>> = { 'swap-volumes': swapVolumes };

const STRATEGY_OF: Readonly<Record<Datastore['kind'], RestorePlan['strategy']>> = { etcd: 'swap-volumes' };

/** By which strategy a recovery point is put back: that of the kind of its datastores. */
export function strategyFor({ datastores: [first] }: Manifest): RestorePlan['strategy'] {
  if (first === undefined) throw new NotFoundError('the recovery point has no datastore');
  return STRATEGY_OF[first.kind];
}
