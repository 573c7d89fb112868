import * as z from 'zod';

/** An etcd in a StatefulSet of its own, as its platform runs it. */
const dedicatedEtcdSchema = z.strictObject({
  kind: z.literal('etcd'),
  /** Inside its control plane: `main`, or the shard's name. */
  name: z.string(),
  namespace: z.string(),
  members: z
    .array(
      z.strictObject({
        pod: z.string(),
        /** False while the pod is not running, not ready or going away; such a member is asked last. */
        ready: z.boolean(),
      }),
    )
    .readonly(),
  clientPort: z.int(),
});
export type DedicatedEtcd = Readonly<z.infer<typeof dedicatedEtcdSchema>>;
export type EtcdMemberPod = Readonly<DedicatedEtcd['members'][number]>;

/**
 * Where the state of a control plane is: the seam between `platforms/`, which describe it, and `datastores/`, whose drivers
 * work on it. There are no secrets in it: what lets somebody in is got apart.
 */
export const datastoreSchema = z.discriminatedUnion('kind', [dedicatedEtcdSchema]);
export type Datastore = Readonly<z.infer<typeof datastoreSchema>>;

/** What a datastore holds at a time at which nobody writes to it: by this it is told again later. */
export const sealSchema = z.strictObject({ revision: z.int(), hash: z.int(), compactRevision: z.int() });
export type Seal = z.infer<typeof sealSchema>;

/** What stands around a datastore's name in that of its file in a recovery point, by kind; no form fits the files of another. */
const FILE_FORMS: Readonly<Record<Datastore['kind'], readonly [before: string, after: string]>> = {
  etcd: ['etcd-', '.db.zst'],
};

/** The name of a datastore's file in the folder of a recovery point. */
export function datastoreFile({ kind, name }: Pick<Datastore, 'kind' | 'name'>): string {
  const [before, after] = FILE_FORMS[kind];
  return `${before}${name}${after}`;
}

/** Whether `datastoreFile` may have given this name. */
export function isDatastoreFile(file: string): boolean {
  return Object.values(FILE_FORMS).some(([before, after]) => {
    const isLongEnough = file.length > before.length + after.length;
    return isLongEnough && file.startsWith(before) && file.endsWith(after) && !file.includes('/');
  });
}
