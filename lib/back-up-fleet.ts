import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { STEPS } from '../statemachines/back-up-fleet/steps.ts';
import { SMALL, SPOOLING } from './function-sizes.ts';
import { grantEndsOfRestoreAccounts } from './kubeconfig-secrets.ts';
import type { Surroundings } from './lifeboat-function.ts';
import { LifeboatMachine, type StepFunctions } from './lifeboat-machine.ts';
import { permit } from './permissions.ts';
import { KEYS } from './recovery-point-bucket.ts';

/** What verifying a recovery point takes, whoever asks for it. */
export const VERIFICATION = { ...SPOOLING, kubeconfigs: 'backup', publishes: true } as const;

const { points, manifests, proofs, pins, operations, restores, locks, policies } = KEYS;

/** The functions of the machine's steps, with no more rights than each needs. */
const FUNCTIONS = {
  'plan-run': {
    description: 'Lists the control planes that a policy selects, and those that it no longer finds',
    memoryMegabytes: 1024,
    kubeconfigs: 'backup',
    store: { read: [manifests, proofs, operations, policies], write: [operations] },
  },
  'read-page': { description: 'Gives one page of the plan of a run', ...SMALL, store: { read: [operations] } },
  'lock-control-plane': {
    description: 'Takes the lock of a control plane',
    ...SMALL,
    store: { read: [locks], write: [locks] },
  },
  'take-snapshot': {
    description: 'Takes a recovery point; it can delete nothing and shorten no lock',
    ...SPOOLING,
    kubeconfigs: 'backup',
    store: { read: [points, operations, locks], write: [operations, locks], upload: [points] },
  },
  'verify-recovery-point': {
    description: 'Reads a recovery point back and adds its proofs',
    ...VERIFICATION,
    store: { read: [points, operations, locks], write: [proofs, operations, locks] },
  },
  'apply-retention': {
    description:
      'Deletes recovery points that no rule keeps; it can read no snapshot, write none and touch no locked one',
    memoryMegabytes: 512,
    // A restore that has not ended keeps its safety point.
    store: { read: [manifests, proofs, pins, operations, restores, locks], write: [locks], remove: [points] },
  },
  'release-control-plane': {
    description: 'Gives the lock of a control plane back',
    ...SMALL,
    store: { read: [locks], write: [locks] },
  },
  'record-page': {
    description: 'Keeps what became of the control planes of a page',
    ...SMALL,
    store: { read: [operations], write: [operations] },
  },
  'start-next-part': { description: 'Starts the execution that goes on with the rest of a run', ...SMALL },
  'report-run': {
    description: 'Puts the result of a run together and announces it',
    memoryMegabytes: 512,
    publishes: true,
    store: { read: [operations, policies], write: [operations, policies] },
  },
} as const satisfies StepFunctions<typeof STEPS>;

/** The machine `back-up-fleet`. */
export class BackUpFleet extends LifeboatMachine {
  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    const reservedConcurrency = surroundings.deployment.snapshotConcurrency;
    super(scope, id, surroundings, {
      name: 'back-up-fleet',
      steps: STEPS,
      functions: { ...FUNCTIONS, 'take-snapshot': { ...FUNCTIONS['take-snapshot'], reservedConcurrency } },
      meanings: {
        failed: 'A run of a policy did not back up every control plane. Its execution and lifeboat status say which.',
        timedOut: 'A run of a policy, or a part of it, took longer than a day and was ended.',
      },
    });
    grantEndsOfRestoreAccounts(this.step('plan-run').role, surroundings.configuration);
    this.#letGoOn();
  }

  /** By the machine's name: the machine refers to the function, so that the function can't refer to the machine. */
  #letGoOn(): void {
    const machineArn = Stack.of(this).formatArn({
      service: 'states',
      resource: 'stateMachine',
      resourceName: this.machineName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const starter = this.step('start-next-part');
    starter.tell('LIFEBOAT_STATE_MACHINE_ARN', machineArn);
    permit(starter.role, { actions: ['states:StartExecution'], resources: [machineArn] });
  }
}
