import type { Construct } from 'constructs';
import { STEPS } from '../statemachines/restore-control-plane/steps.ts';
import type { BackUpFleet } from './back-up-fleet.ts';
import { SMALL, SPOOLING, STREAMING } from './function-sizes.ts';
import type { Surroundings } from './lifeboat-function.ts';
import { LifeboatMachine, type StepFunctions } from './lifeboat-machine.ts';
import { KEYS } from './recovery-point-bucket.ts';

const { points, operations, restores, locks, staging } = KEYS;

/** Works on the management cluster; of the store it needs its plan, its journal and the lock, and no recovery point. */
const ON_CLUSTER = {
  memoryMegabytes: 512,
  kubeconfigs: 'restore',
  store: { read: [restores, locks], write: [restores, locks] },
} as const;

/** The functions of the machine's steps, with no more rights than each needs. */
const FUNCTIONS = {
  'plan-restore': {
    description:
      'Finds out whether a restore may be or how one is abandoned, and what it will change; it can change nothing',
    ...SPOOLING,
    kubeconfigs: 'restore',
    // Former versions kept restores beside runs of policies: revisions that these have reached are not to be reached again.
    // Whose lock it was since tells whether a restore may go on.
    store: { read: [points, restores, operations, locks], write: [restores] },
  },
  'mark-control-plane': {
    description: 'Marks a control plane in its management cluster, where every Lifeboat sees it',
    ...ON_CLUSTER,
    store: { ...ON_CLUSTER.store, write: [locks] },
  },
  'prepare-data': {
    description: 'Restores the snapshot beside the live data; it can write no recovery point',
    ...STREAMING,
    kubeconfigs: 'restore',
    // Whoever has a URL may do what its signer may: read what is staged.
    store: {
      read: [points, restores, locks, staging],
      write: [restores, locks],
      stage: [staging],
      remove: [staging],
    },
  },
  'fence-control-plane': {
    description: 'Pauses the reconcilers of a control plane and ends its API servers',
    ...ON_CLUSTER,
  },
  'take-safety-point': {
    description: 'Takes a recovery point of what is replaced; it can delete nothing and shorten no lock',
    ...SPOOLING,
    kubeconfigs: 'restore',
    store: { read: [points, restores, locks], write: [restores, locks], upload: [points] },
  },
  'stop-datastore': { description: 'Brings the datastores to zero', ...ON_CLUSTER },
  'swap-data': {
    description: 'Exchanges the data of every member, or puts the old ones back',
    ...ON_CLUSTER,
  },
  'start-datastore': {
    description: 'Starts the datastores and compares their members',
    ...ON_CLUSTER,
  },
  'start-control-plane': {
    description: 'Starts the API servers and compares what they serve from',
    ...ON_CLUSTER,
  },
  'finish-restore': {
    description: 'Takes the pause and everything of the restore away',
    ...ON_CLUSTER,
    store: { ...ON_CLUSTER.store, remove: [staging] },
  },
  'report-restore': {
    description: 'Keeps the result of a restore',
    ...SMALL,
    store: { read: [restores], write: [restores] },
  },
} as const satisfies StepFunctions<typeof STEPS>;

/** The machine `restore-control-plane`; nobody but people starts it. */
export class RestoreControlPlane extends LifeboatMachine {
  constructor(scope: Construct, id: string, surroundings: Surroundings, fleet: BackUpFleet) {
    super(scope, id, surroundings, {
      name: 'restore-control-plane',
      steps: STEPS,
      functions: FUNCTIONS,
      others: [fleet],
      meanings: {
        failed:
          'A restore failed. "lifeboat operations" names it, and "lifeboat operation" says why, and whether all is as it was before.',
        timedOut:
          'A restore took longer than a day and was ended on its way: its control plane is paused and without API: resume. "lifeboat operations" names it; "lifeboat restore <control plane> --resume <operation>" goes on with it, and "lifeboat abandon <operation>" puts back what can be put back and gives it up.',
      },
    });
  }
}
