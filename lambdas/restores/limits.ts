/**
 * How long each step of a restore may work for its goal, over all its calls. The machine's own limit is above the longest way
 * through all of them (test/workflow/time-limits.test.ts).
 */
export const LIMIT_SECONDS = {
  /** In which each pod has ten minutes to begin. */
  'prepare-data': 3600,
  'fence-control-plane': 300,
  'stop-datastore': 300,
  'swap-data': 300,
  'start-datastore': 900,
  'start-control-plane': 900,
  'finish-restore': 300,
} as const;
