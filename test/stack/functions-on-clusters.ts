/** The functions that talk to management clusters; all others hold neither the code nor the rights for it. */
export const FUNCTIONS_ON_CLUSTERS = [
  'fence-control-plane',
  'finish-restore',
  'plan-restore',
  'plan-run',
  'prepare-data',
  'start-control-plane',
  'start-datastore',
  'stop-datastore',
  'swap-data',
  'take-safety-point',
  'take-snapshot',
  'verify-arrived-point',
  'verify-recovery-point',
];
