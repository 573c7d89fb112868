import { formatControlPlaneName, parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { operationName } from '../../lambdas/domain/operation.ts';
import { withControlPlaneLock } from '../../lambdas/operations/lock.ts';
import { platforms } from '../../lambdas/platforms/registry.ts';
import { takeRecoveryPoint } from '../../lambdas/recovery-points/take.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { CommandResult } from './result.ts';

/**
 * `lifeboat backup <control plane>`: takes a recovery point and every proof that a backup can have, under the control plane's
 * lock. LockedError, at once, while another operation has that.
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
  const request = { controlPlane, platform: platforms.hypershift, reason: 'on-demand' } as const;
  const manifest = await withControlPlaneLock(owner, ports, ({ signal }) =>
    takeRecoveryPoint(request, { ...ports, cluster, signal }),
  );
  const refused = manifest.proofs.filter(({ result }) => result === 'refused');
  const proofs = manifest.proofs.map(({ kind, result }) =>
    result === 'passed' ? kind : `${kind} ${result.toUpperCase()}`,
  );
  return {
    json: manifest,
    text: [
      `recovery point ${manifest.id} of ${manifest.controlPlane}`,
      ...manifest.datastores.map(
        ({ name: datastore, revision, keys, sizeBytes, storedBytes }) =>
          `  ${datastore}: revision ${revision}, ${keys} keys, ${formatBytes(sizeBytes)}, stored ${formatBytes(storedBytes)}`,
      ),
      `  identity: ${manifest.identity.objects.length} objects`,
      `  proofs: ${proofs.join(', ')}`,
      ...refused.map(({ kind, detail }) => `  ${kind}: ${detail}`),
    ].join('\n'),
    exitCode: refused.length > 0 ? EXIT.refused : EXIT.done,
  };
}
