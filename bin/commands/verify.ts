import { formatControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { verifyRecoveryPoint } from '../../lambdas/recovery-points/verify.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

export interface VerifyOptions {
  /** Also ask the live members, which needs the management cluster. */
  readonly live: boolean;
}

/** `lifeboat verify <point>`: reads everything back, walks it, and appends the proofs. */
export async function verify(ports: Ports, reference: string, options: VerifyOptions): Promise<CommandResult> {
  const point = await ports.findPoint(reference);
  const { managementCluster } = point.address.controlPlane;
  const cluster = options.live ? await ports.connect(managementCluster) : undefined;
  const proofs = await verifyRecoveryPoint(point, cluster, ports);
  const refused = proofs.some(({ result }) => result === 'refused');
  const { id } = point.address;
  const controlPlane = formatControlPlaneName(point.address.controlPlane);
  return {
    json: { id, controlPlane, result: refused ? 'refused' : 'passed', proofs },
    text: [
      `${id} of ${controlPlane}: ${refused ? 'REFUSED, do not restore from it' : 'verified'}`,
      formatTable(
        ['PROOF', 'DATASTORE', 'RESULT', 'DETAIL'],
        proofs.map(({ kind, datastore, result, detail }) => [kind, datastore, result, detail]),
      ),
    ].join('\n'),
    exitCode: refused ? EXIT.refused : EXIT.done,
  };
}
