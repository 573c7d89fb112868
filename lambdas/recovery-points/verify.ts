import { drivers } from '../datastores/registry.ts';
import { CorruptSnapshotError, NotFoundError } from '../domain/errors.ts';
import { PhaseTimer } from '../domain/progress.ts';
import { IDENTITY, manifestKey, type Proof } from '../domain/recovery-point.ts';
import type { Cluster } from '../kube/cluster.ts';
import { platforms } from '../platforms/registry.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { inspectSnapshot } from './inspect.ts';
import { inspectIdentity } from './identity.ts';
import { snapshotObject } from './layout.ts';
import type { RecoveryPointPorts } from './ports.ts';
import { reachControlPlane } from './reach.ts';

/**
 * Reads a recovery point back from the store, walks every page, compares it with its manifest, asks the live members when
 * a cluster is given, and appends the proofs, refused ones too. Bytes that are wrong make a proof and no error; what could
 * not be read at all is thrown and leaves no proof.
 */
export async function verifyRecoveryPoint(
  point: CataloguedPoint,
  cluster: Cluster | undefined,
  ports: RecoveryPointPorts,
): Promise<Proof[]> {
  const timer = new PhaseTimer(ports.report, ports.now);
  const proofs: Proof[] = [];
  for (const { name } of point.manifest.datastores) {
    proofs.push(...(await orRefused(point, name, ports, () => verifyDatastore(point, name, cluster, timer, ports))));
  }
  proofs.push(...(await orRefused(point, IDENTITY, ports, () => verifyIdentity(point, timer, ports))));
  for (const proof of proofs) await ports.catalogue.append(point.address, proof);
  return proofs;
}

/** NotFoundError when the point was deleted meanwhile, perhaps its data first: that nothing is there any more refutes nothing. */
async function orRefused(
  { address }: CataloguedPoint,
  datastore: string,
  { clock, store }: RecoveryPointPorts,
  work: () => Promise<Proof[]>,
): Promise<Proof[]> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CorruptSnapshotError)) throw error;
    if ((await store.head(manifestKey(address))) === undefined) {
      throw new NotFoundError(`recovery point ${address.id} was deleted while it was read`, { cause: error });
    }
    const takenAt = clock().toISOString();
    return [{ kind: 'structure', result: 'refused', takenAt, datastore, detail: error.message }];
  }
}

async function verifyDatastore(
  { address, manifest }: CataloguedPoint,
  datastore: string,
  cluster: Cluster | undefined,
  timer: PhaseTimer,
  ports: RecoveryPointPorts,
): Promise<Proof[]> {
  const recorded = manifest.datastores.find(({ name }) => name === datastore);
  if (recorded === undefined) throw new NotFoundError(`${manifest.id} has no datastore ${datastore}`);
  const object = snapshotObject(address, recorded);
  const request = { driver: drivers[recorded.kind], object, snapshot: recorded, recorded };
  if (cluster === undefined) return (await inspectSnapshot(request, timer, ports)).proofs;
  const platform = platforms[manifest.platform];
  const { datastores, access } = await reachControlPlane(address.controlPlane, platform, cluster, ports.signal);
  const described = datastores.find(({ name }) => name === datastore);
  if (described === undefined)
    throw new NotFoundError(`${manifest.controlPlane} has no datastore ${datastore} any more`);
  return (await inspectSnapshot({ ...request, live: { datastore: described, access } }, timer, ports)).proofs;
}

async function verifyIdentity(
  { address, manifest }: CataloguedPoint,
  timer: PhaseTimer,
  ports: RecoveryPointPorts,
): Promise<Proof[]> {
  const inspect = () => inspectIdentity(address, manifest.identity, ports);
  return [await timer.run('identity', 'objects', inspect, ({ detail }) => detail)];
}
