import { CorruptSnapshotError, LifeboatError, NotFoundError } from '../domain/errors.ts';
import { addressOfManifestKey, type RecoveryPointAddress } from '../domain/recovery-point.ts';
import type { Arrival, ObjectCreated } from '../domain/stored-object-event.ts';
import type { Events } from '../events/events.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { Connect } from '../platforms/discover.ts';
import { platforms } from '../platforms/registry.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { announceVerdict } from './announce.ts';
import type { RecoveryPointPorts } from './ports.ts';
import { reachControlPlane } from './reach.ts';
import { verifyRecoveryPoint } from './verify.ts';

export interface ArrivalPorts extends RecoveryPointPorts {
  readonly events: Events;
  readonly connect: Connect;
}

/**
 * Verifies a recovery point whose manifest has just been written, by whomever, and announces the verdict; compares with
 * the members as well when they answer. Objects that are no manifest of a recovery point are ignored, and so are those of
 * a policy's run, which verifies its own. A second delivery only announces again.
 */
export async function verifyArrived({ detail }: ObjectCreated, ports: ArrivalPorts): Promise<Arrival> {
  const url = `s3://${detail.bucket.name}/${detail.object.key}`;
  const root = `${ports.store.location}/`;
  const address = url.startsWith(root) ? addressOfManifestKey(url.slice(root.length)) : undefined;
  if (address === undefined) return { ignored: `${url} is no manifest of ours` };
  const { id } = address;
  const found = await find(address, ports);
  if (!('manifest' in found)) return found;
  if (found.manifest.operation !== null) return { ignored: `${found.manifest.operation} verifies ${id} itself` };
  const verifiedBefore = found.proofs.length > found.manifest.proofs.length;
  if (!verifiedBefore) await verifyRecoveryPoint(found, await clusterThatAnswers(found, ports), ports);
  const point = verifiedBefore ? found : await ports.catalogue.find(id, address.controlPlane);
  await announceVerdict(point, ports.events);
  return { verdict: point.verdict, id };
}

/** The point, or what to answer where trying again would change nothing. */
async function find(
  { id, controlPlane }: RecoveryPointAddress,
  { catalogue, report }: ArrivalPorts,
): Promise<CataloguedPoint | Arrival> {
  try {
    return await catalogue.find(id, controlPlane);
  } catch (error) {
    if (error instanceof NotFoundError) return { ignored: `${id} is gone again` };
    if (!(error instanceof CorruptSnapshotError)) throw error;
    report({ kind: 'note', text: error.message });
    return { verdict: 'unreadable', id };
  }
}

/** The management cluster, when it answers and still has the control plane; the bytes can be verified without it. */
async function clusterThatAnswers(
  { address, manifest }: CataloguedPoint,
  { connect, report, signal }: ArrivalPorts,
): Promise<Cluster | undefined> {
  try {
    const cluster = await connect(address.controlPlane.managementCluster);
    await reachControlPlane(address.controlPlane, platforms[manifest.platform], cluster, signal);
    return cluster;
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    report({ kind: 'note', text: `not compared with the members: ${error.message}` });
    return undefined;
  }
}
