import { formatControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { verifyRecoveryPoint } from '../../lambdas/recovery-points/verify.ts';
import type { Proof } from '../../lambdas/domain/recovery-point.ts';
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
  // What another proof was refused for, e.g. that of the members, is not undone by bytes that are sound.
  const { verdict, proofs: all } = await ports.findPoint(reference);
  const isRefused = verdict === 'refused';
  const { id } = point.address;
  const controlPlane = formatControlPlaneName(point.address.controlPlane);
  const isRefusedBefore = isRefused && proofs.every(({ result }) => result !== 'refused');
  return {
    json: { id, controlPlane, result: isRefused ? 'refused' : 'passed', proofs },
    text: [
      `${id} of ${controlPlane}: ${isRefused ? 'REFUSED, do not restore from it' : verdict}`,
      ...(isRefusedBefore ? [describeStanding(all)] : []),
      formatTable(
        ['PROOF', 'DATASTORE', 'RESULT', 'DETAIL'],
        proofs.map(({ kind, datastore, result, detail }) => [kind, datastore, result, detail]),
      ),
    ].join('\n'),
    exitCode: isRefused ? EXIT.refused : EXIT.done,
  };
}

/** The last refusal: it stands, as nothing of its kind has passed since. */
function describeStanding(proofs: readonly Proof[]): string {
  const { kind, datastore, detail } = proofs.findLast(({ result }) => result === 'refused') ?? {};
  const again = kind === 'live' ? '; --live compares with the members again' : '';
  return `${kind ?? ''} of ${datastore ?? ''} was refused before, and that stands: ${detail ?? ''}${again}`;
}
