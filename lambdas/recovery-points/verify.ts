import { hashMembers } from '../datastores/etcd/hash-members.ts';
import { CorruptSnapshotError, NotFoundError } from '../domain/errors.ts';
import { describeObject } from '../domain/kubernetes-object.ts';
import { PhaseTimer } from '../domain/progress.ts';
import type { Proof } from '../domain/recovery-point.ts';
import type { Cluster } from '../kube/cluster.ts';
import { platforms } from '../platforms/registry.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { inspectSnapshot } from './inspect.ts';
import { readIdentity } from './identity.ts';
import { identityObject, snapshotObject } from './layout.ts';
import type { RecoveryPointPorts } from './ports.ts';

/** The name under which the identity's proof stands beside those of the datastores. */
const IDENTITY = 'identity';

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
    proofs.push(...(await orRefused(name, ports, () => verifyDatastore(point, name, cluster, timer, ports))));
  }
  proofs.push(...(await orRefused(IDENTITY, ports, () => verifyIdentity(point, timer, ports))));
  for (const proof of proofs) await ports.catalogue.append(point.address, proof);
  return proofs;
}

async function orRefused(
  datastore: string,
  { clock }: RecoveryPointPorts,
  work: () => Promise<Proof[]>,
): Promise<Proof[]> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CorruptSnapshotError)) throw error;
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
  if (cluster === undefined) return (await inspectSnapshot({ datastore, object, recorded }, timer, ports)).proofs;
  const described = await platforms[manifest.platform].describe(cluster.api, address.controlPlane);
  const workload = described.datastores.find((described) => described.datastore === datastore);
  if (workload === undefined)
    throw new NotFoundError(`${manifest.controlPlane} has no datastore ${datastore} any more`);
  const askMembers = (revision: number) => hashMembers(workload, revision, { cluster, signal: ports.signal });
  return (await inspectSnapshot({ datastore, object, recorded, askMembers }, timer, ports)).proofs;
}

async function verifyIdentity(point: CataloguedPoint, timer: PhaseTimer, ports: RecoveryPointPorts): Promise<Proof[]> {
  const { address, manifest } = point;
  const object = identityObject(address, manifest);
  const objects = await timer.run(
    'identity',
    'objects',
    async () => (await readIdentity(point, ports.store)).map(describeObject),
    (found) => `${found.length} objects`,
  );
  if (objects.join() !== manifest.identity.objects.join()) {
    throw new CorruptSnapshotError(`${object.key} does not hold the objects that the manifest lists`);
  }
  return [
    {
      kind: 'structure',
      result: 'passed',
      takenAt: ports.clock().toISOString(),
      datastore: IDENTITY,
      detail: `${objects.length} objects as listed`,
    },
  ];
}
