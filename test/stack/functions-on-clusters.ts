import type { Purpose } from '../../lambdas/domain/purpose.ts';

/** The functions that talk to management clusters, by the account that they use; all others hold neither the code nor the rights. */
export const FUNCTIONS_ON_CLUSTERS: Readonly<Record<Purpose, readonly string[]>> = {
  backup: ['plan-run', 'take-snapshot', 'verify-arrived-point', 'verify-recovery-point'],
  restore: [
    'fence-control-plane',
    'finish-restore',
    'mark-control-plane',
    'plan-restore',
    'prepare-data',
    'start-control-plane',
    'start-datastore',
    'stop-datastore',
    'swap-data',
    'take-safety-point',
  ],
};
