import * as z from 'zod';
import { operationKey } from '../store/journal.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { changeJson, findJson } from '../store/stored-json.ts';

/** Uids of the pods that have taken the whole snapshot, by their names; one that was made again has another uid. */
const fedSchema = z.record(z.string(), z.string());

/** Which pods of a preparation have been fed, also by earlier calls: what is fed is at work for a while and not to be fed again. */
export interface FedPods {
  has(pod: string, uid: string): boolean;
  add(pod: string, uid: string): Promise<void>;
  /** Whether nobody else is being fed; then the turn is to be ended. */
  takeTurn(): boolean;
  endTurn(): void;
}

export async function fedPods(operation: string, { store }: { readonly store: ObjectStore }): Promise<FedPods> {
  const key = operationKey(operation, 'fed-pods');
  let fed = await readFed(operation, { store });
  let isTurnTaken = false;
  return {
    has: (pod, uid) => fed[pod] === uid,
    add: async (pod, uid) => {
      fed = await changeJson(store, key, fedSchema, (present = {}) => ({ ...present, [pod]: uid }));
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

/** What was fed in an operation, by pods' names. */
export async function readFed(
  operation: string,
  { store }: { readonly store: ObjectStore },
): Promise<Readonly<Record<string, string>>> {
  return (await findJson(store, operationKey(operation, 'fed-pods'), fedSchema)) ?? {};
}
