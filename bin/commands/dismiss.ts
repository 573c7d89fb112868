import { NotFoundError } from '../../lambdas/domain/errors.ts';
import { DISMISSALS_KEY, dismissalsSchema } from '../../lambdas/domain/missing.ts';
import { policyStatuses, type StatusPorts } from '../../lambdas/policy-runs/status.ts';
import { changeJson } from '../../lambdas/store/stored-json.ts';
import type { CommandResult } from './result.ts';

/**
 * `lifeboat dismiss <name>…`: control planes, or whole management clusters, that are gone on purpose. They are no longer told as
 * missing until they are seen again; no recovery point is touched. NotFoundError for a name of which nothing is known.
 */
export async function dismiss(ports: StatusPorts, names: readonly string[]): Promise<CommandResult> {
  const known = await knownNames(ports);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new NotFoundError(`nothing is known of ${unknown}`, {
      remedy: 'Name what "lifeboat status" shows: <management cluster>/<namespace>/<name>, or a management cluster.',
    });
  }
  const at = ports.clock().toISOString();
  await changeJson(ports.store, DISMISSALS_KEY, dismissalsSchema, (present) => ({
    dismissed: [
      ...(present?.dismissed ?? []).filter(({ name }) => !names.includes(name)),
      ...names.map((name) => ({ name, at })),
    ],
  }));
  return {
    json: { dismissed: names, at },
    text: names
      .map((name) => `${name} is no longer told as missing until it is seen again; its recovery points stay`)
      .join('\n'),
  };
}

/** What has recovery points or is told as missing, and the management clusters of it. */
async function knownNames(ports: StatusPorts): Promise<Set<string>> {
  const [stored, policies] = await Promise.all([ports.catalogue.controlPlanes(), policyStatuses(ports)]);
  const names = [
    ...stored.map(({ controlPlane }) => controlPlane),
    ...policies.flatMap(({ missing }) => missing.map(({ controlPlane }) => controlPlane)),
    ...policies.flatMap(({ unserved }) => unserved.map(({ managementCluster }) => managementCluster)),
  ];
  return new Set(names.flatMap((name) => [name, name.split('/', 1).join()]));
}
