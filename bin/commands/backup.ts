import { formatControlPlaneName, parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { operationName } from '../../lambdas/domain/operation.ts';
import { withControlPlaneLock } from '../../lambdas/operations/lock.ts';
import { platformOf } from '../../lambdas/platforms/discover.ts';
import { IDENTITY, type Proof } from '../../lambdas/domain/recovery-point.ts';
import { announceVerdict } from '../../lambdas/recovery-points/announce.ts';
import { takeRecoveryPoint } from '../../lambdas/recovery-points/take.ts';
import type { CataloguedPoint } from '../../lambdas/store/catalogue.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { CommandResult } from './result.ts';

/**
 * `lifeboat backup <control plane>`: takes a recovery point and every proof that a backup can have, under the control plane's
 * lock. LockedError, at once, while another operation has that. A point of which a proof is refused is kept and is no success.
 */
export async function backup(ports: Ports, name: string): Promise<CommandResult> {
  const controlPlane = parseControlPlaneName(name);
  const cluster = await ports.connect(controlPlane.managementCluster);
  const owner = {
    operation: operationName('backup', ports.clock(), ports.random),
    controlPlane: formatControlPlaneName(controlPlane),
    purpose: 'backup',
  } as const;
  // The point names no operation: nobody but the function that hears of its manifest publishes that it was verified.
  const { id } = await withControlPlaneLock(owner, ports, async ({ signal }) => {
    const platform = await platformOf(controlPlane, cluster);
    return await takeRecoveryPoint({ controlPlane, platform, reason: 'on-demand' }, { ...ports, cluster, signal });
  });
  return await tellBackup(await ports.catalogue.find(id, controlPlane), ports);
}

/** What a point that was just taken amounts to: only a verified one is a success, and a refused one is announced as well. */
export async function tellBackup(point: CataloguedPoint, { events }: Pick<Ports, 'events'>): Promise<CommandResult> {
  const { manifest, proofs, verdict } = point;
  const isVerified = verdict === 'verified';
  if (verdict === 'refused') await announceVerdict(point, events);
  return {
    json: manifest,
    text: [
      `recovery point ${manifest.id} of ${manifest.controlPlane}${isVerified ? '' : ` is ${verdict.toUpperCase()}: do not rely on it`}`,
      ...manifest.datastores.map(
        ({ name, revision, keys, sizeBytes, storedBytes }) =>
          `  ${name}: revision ${revision}, ${keys} keys, ${formatBytes(sizeBytes)}, stored ${formatBytes(storedBytes)}`,
      ),
      `  identity: ${manifest.identity.objects.length} objects`,
      `  proofs: ${proofs.map(describeProof).join(', ')}`,
      ...proofs
        .filter(({ result }) => result === 'refused')
        .map(({ kind, datastore, detail }) => `  ${kind} of ${datastore} refused: ${detail}`),
      ...(isVerified ? [] : [`next:  find out why, then run "lifeboat backup ${manifest.controlPlane}" again`]),
    ].join('\n'),
    exitCode: isVerified ? EXIT.done : EXIT.refused,
  };
}

function describeProof({ kind, datastore, result }: Proof): string {
  const name = datastore === IDENTITY ? IDENTITY : kind;
  return result === 'passed' ? name : `${name} ${result.toUpperCase()}`;
}
