import { formatControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { IDENTITY, type ManifestDatastore } from '../../lambdas/domain/recovery-point.ts';
import { saysFuture, type CataloguedPoint } from '../../lambdas/store/catalogue.ts';
import type { Ports } from '../local/ports.ts';
import { formatDuration, formatHash, formatTable } from '../output/format.ts';
import { describeAge, describePurpose } from '../output/point-text.ts';
import type { CommandResult } from './result.ts';

/** Beyond these, a person looks at `--json`. */
const RESOURCES_SHOWN = 12;

/** `lifeboat show <point>`: all that is known about one recovery point. */
export async function show(ports: Pick<Ports, 'findPoint' | 'clock'>, reference: string): Promise<CommandResult> {
  const point = await ports.findPoint(reference);
  const { address, manifest, proofs, verdict, pinned } = point;
  const now = ports.clock();
  const isFromFuture = saysFuture(point, now);
  const text = [
    formatTable(
      ['RECOVERY POINT', manifest.id],
      [
        ['control plane', `${formatControlPlaneName(address.controlPlane)} (${manifest.platform})`],
        ['control plane uid', manifest.controlPlaneUid],
        ['taken', `${manifest.takenAt} (${isFromFuture ? describeFuture(point) : `${describeAge(point, now)} ago`})`],
        ['reason', describePurpose(point)],
        ['state', verdict],
        [
          'versions',
          `control plane ${manifest.controlPlaneVersion ?? '-'}, management cluster ${manifest.managementKubernetesVersion}`,
        ],
        [
          'phases',
          manifest.phases.map(({ name, milliseconds }) => `${name} ${formatDuration(milliseconds)}`).join(', '),
        ],
        ['identity', describeIdentity(point)],
      ],
    ),
    ...manifest.datastores.map(describeDatastore),
    formatTable(
      ['PROOF', 'DATASTORE', 'RESULT', 'TAKEN', 'DETAIL'],
      proofs.map(({ kind, datastore, result, takenAt, detail }) => [kind, datastore, result, takenAt, detail]),
    ),
  ].join('\n\n');
  return { json: { ...manifest, verdict, isFromFuture, pinned, proofs }, text };
}

function describeFuture({ storedAt }: CataloguedPoint): string {
  return `a time in the future, as the store got it at ${storedAt.toISOString()}: it is never the latest; compare the clocks`;
}

/** Points of before identities were read back count as verified without; that must not be overlooked. */
function describeIdentity({ manifest, proofs }: CataloguedPoint): string {
  const objects = `${manifest.identity.objects.length} objects`;
  const isProven = proofs.some(({ datastore }) => datastore === IDENTITY);
  return isProven ? objects : `${objects}, never read back yet: "lifeboat verify ${manifest.id}" does`;
}

function describeDatastore(datastore: ManifestDatastore): string {
  const resources = Object.entries(datastore.keysByResource).sort(([, a], [, b]) => b - a);
  const shown = resources.slice(0, RESOURCES_SHOWN).map(([name, keys]) => `${name} ${keys}`);
  if (resources.length > shown.length) shown.push(`${resources.length - shown.length} more kinds`);
  const encryption = datastore.encryption.map(({ provider, key, values }) => `${provider} ${key} (${values} values)`);
  return formatTable(
    ['DATASTORE', datastore.name],
    [
      ['etcd', `${datastore.version}, storage version ${datastore.storageVersion}`],
      ['revision', `${datastore.revision}, compacted at ${datastore.compactRevision}`],
      ['keys', `${datastore.keys}: ${shown.join(', ')}`],
      ['leases', String(datastore.leases)],
      ['encryption', encryption.length === 0 ? 'none seen' : encryption.join(', ')],
      ['size', `${formatBytes(datastore.sizeBytes)}, stored ${formatBytes(datastore.storedBytes)}`],
      ['sha256', datastore.sha256],
      [
        'hash',
        `${formatHash(datastore.statusHash)} (etcdutl snapshot status), ${datastore.keyspaceHash.hash} (hashkv)`,
      ],
      ['taken from', `${datastore.memberPod}, member ${datastore.memberId} of cluster ${datastore.clusterId}`],
      ...datastore.memberChoice.map((reason) => ['', reason]),
      ...datastore.warnings.map((warning) => ['warning', warning]),
    ],
  );
}
