import * as z from 'zod';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { identityObject } from './layout.ts';
import { unpackToBuffer } from './unpack.ts';

const identitySchema = z.object({
  items: z.array(
    z.looseObject({
      apiVersion: z.string(),
      kind: z.string(),
      metadata: z.looseObject({ name: z.string() }),
    }),
  ),
});

/** The Kubernetes objects of a recovery point. CorruptSnapshotError when they are not as they were stored. */
export async function readIdentity(
  { address, manifest }: CataloguedPoint,
  store: ObjectStore,
): Promise<KubernetesObject[]> {
  const content = await unpackToBuffer(store, identityObject(address, manifest));
  return identitySchema.parse(JSON.parse(content.toString())).items;
}
