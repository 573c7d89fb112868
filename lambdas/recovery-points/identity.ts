import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { describeObject, type KubernetesObject } from '../domain/kubernetes-object.ts';
import { IDENTITY, type Manifest, type Proof, type RecoveryPointAddress } from '../domain/recovery-point.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { identityObject } from './layout.ts';
import type { RecoveryPointPorts } from './ports.ts';
import { unpackToBuffer, type PackedObject } from './unpack.ts';

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
  return await readObjects(identityObject(address, manifest), store);
}

/**
 * Reads the stored identity back and takes its `structure` proof: size and SHA-256 as recorded, and the very objects that are
 * listed. CorruptSnapshotError when it is anything else.
 */
export async function inspectIdentity(
  address: RecoveryPointAddress,
  identity: Manifest['identity'],
  { store, clock }: Pick<RecoveryPointPorts, 'store' | 'clock'>,
): Promise<Proof> {
  const object = identityObject(address, { identity });
  const found = (await readObjects(object, store)).map(describeObject);
  if (!isDeepStrictEqual(found, identity.objects)) {
    const lacking = identity.objects.filter((name) => !found.includes(name));
    const what = lacking.length === 0 ? 'others than its manifest lists' : `not ${lacking.join(', ')}`;
    throw new CorruptSnapshotError(`${object.key} holds ${what}`);
  }
  return {
    kind: 'structure',
    result: 'passed',
    takenAt: clock().toISOString(),
    datastore: IDENTITY,
    detail: `read back: ${found.length} objects as listed`,
  };
}

async function readObjects(object: PackedObject, store: ObjectStore): Promise<KubernetesObject[]> {
  const content = await unpackToBuffer(store, object);
  try {
    return identitySchema.parse(JSON.parse(content.toString())).items;
  } catch {
    // What the parsers say may quote a Secret.
    throw new CorruptSnapshotError(`${object.key} in ${store.location} is no list of Kubernetes objects`);
  }
}
