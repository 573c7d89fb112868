import * as z from 'zod';
import type { RecordPorts } from '../../records.ts';

const DOCUMENT = 'fed-pods';
const BEGUN = 'begun-pods';
const begunSchema = z.array(z.string());

/** Uids of the pods that have taken the whole snapshot, by their names; one that was made again has another uid. */
const fedSchema = z.record(z.string(), z.string());

/** Names of the preparation's pods that were seen to run. */
export async function readBegunPods(operation: string, { journal }: RecordPorts): Promise<readonly string[]> {
  return (await journal.read(operation, BEGUN, begunSchema)) ?? [];
}

/** Notes that a pod of the preparation runs; before it is given anything. */
export async function noteBegunPod(operation: string, pod: string, { journal }: RecordPorts): Promise<void> {
  await journal.revise(operation, BEGUN, begunSchema, (present = []) =>
    present.includes(pod) ? present : [...present, pod],
  );
}

/** Which pods of a preparation have been fed, also by earlier calls: what is fed is at work for a while and not to be fed again. */
export interface FedPods {
  has(pod: string, uid: string): boolean;
  add(pod: string, uid: string): Promise<void>;
  /** Whether nobody else is being fed; then the turn is to be ended. */
  takeTurn(): boolean;
  endTurn(): void;
}

export async function fedPods(operation: string, { journal }: RecordPorts): Promise<FedPods> {
  let fed = (await journal.read(operation, DOCUMENT, fedSchema)) ?? {};
  let isTurnTaken = false;
  return {
    has: (pod, uid) => fed[pod] === uid,
    add: async (pod, uid) => {
      fed = await journal.revise(operation, DOCUMENT, fedSchema, (present = {}) => ({ ...present, [pod]: uid }));
    },
    takeTurn: () => {
      if (isTurnTaken) return false;
      return (isTurnTaken = true);
    },
    endTurn: () => {
      isTurnTaken = false;
    },
  };
}
