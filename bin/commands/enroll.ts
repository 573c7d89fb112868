import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { enrolmentCommand } from '../../lambdas/domain/enrolment-command.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { kubeconfigSecretName } from '../../lambdas/domain/kubeconfig-secret.ts';
import { PURPOSES, type Purpose } from '../../lambdas/domain/purpose.ts';
import { describePermission } from '../../lambdas/kube/access-reviews.ts';
import type { ClusterAccess } from '../../lambdas/kube/cluster-access.ts';
import {
  applyEnrolment,
  missingPermissions,
  mintToken,
  tokenKubeconfig,
  type AppliedObject,
  type MintedToken,
} from '../../lambdas/kube/enrolment.ts';
import { enrolmentObjects, type Enrolment, type Permission } from '../../lambdas/kube/enrolment-objects.ts';
import { KubeApi } from '../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../lambdas/kube/kubeconfig.ts';
import { readAccess } from '../../lambdas/kube/management-cluster-access.ts';
import { roleFor } from '../../lambdas/platforms/permissions.ts';
import { loadConfiguration } from '../local/configuration-file.ts';
import { configuredKubeconfigs, readKubeconfigFile } from '../local/kubeconfig-files.ts';
import { assertWritable, writePrivateFile } from '../local/private-file.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { CommandResult } from './result.ts';

/** What an account may be for; `all` is one account for who keeps no two. */
export const ENROLL_PURPOSES = [...PURPOSES, 'all'] as const;
const SECONDS_A_DAY = 86_400;
/** Far beyond what anybody should ask for, and below what the API takes (2^32 seconds). */
const MOST_DAYS = 3650;

export interface EnrollOptions {
  readonly for: (typeof ENROLL_PURPOSES)[number];
  readonly namespace: string;
  /** The namespaces that it is confined to; the whole cluster when left out. */
  readonly onlyIn?: readonly string[];
  readonly apply: boolean;
  /** The administrator's kubeconfig; the configured access to the management cluster when left out. */
  readonly kubeconfig?: string;
  /** The file that gets the new kubeconfig. */
  readonly to?: string;
  /** The secret of Secrets Manager that gets it instead; true for the one where functions look for it. */
  readonly secret?: string | true;
  readonly force: boolean;
  readonly tokenDays: string;
}

export interface EnrollContext {
  /** `--config`; read only when the administrator's access is to be taken from there. */
  readonly config: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * `lifeboat enroll <management cluster>`: prints the least RBAC for a purpose; with `--apply` makes it, and a kubeconfig
 * with a token of its account.
 */
export async function enroll(
  { config, signal }: EnrollContext,
  managementCluster: string,
  options: EnrollOptions,
): Promise<CommandResult> {
  checkName(managementCluster);
  const enrolment = planEnrolment(options);
  if (!options.apply) return printed(managementCluster, enrolment, options);

  const tokenSeconds = readDays(options.tokenDays) * SECONDS_A_DAY;
  const target = chooseTarget(managementCluster, enrolment.account, options);
  if ('file' in target) await assertWritable(target.file, options.force);
  const access = await administratorAccess(managementCluster, options.kubeconfig, config);
  const { applied, minted } = await withApi(access, async (api) => ({
    applied: await applyEnrolment(api, enrolmentObjects(enrolment), { signal }),
    minted: await mintToken(api, enrolment, tokenSeconds, { signal }),
  }));
  const kubeconfig = tokenKubeconfig(access, managementCluster, enrolment.account, minted.token);
  if ('file' in target) {
    await writePrivateFile(target.file, kubeconfig, options.force);
  } else {
    const { storeKubeconfigSecret } = await import('../../lambdas/kube/secrets-manager-kubeconfigs.ts');
    await storeKubeconfigSecret(target.secret, kubeconfig, { credentialsEndAt: minted.endsAt });
  }
  const source = 'file' in target ? target.file : `secret ${target.secret}`;
  const rules = enrolment.roles.flatMap((role) => role.rules);
  const missing = await withApi(parseKubeconfig(kubeconfig.reveal(), source), async (api) => {
    if (enrolment.onlyIn === undefined) return await missingPermissions(api, rules, { signal });
    const missingIn = enrolment.onlyIn.map((place) => missingPermissions(api, rules, { signal, namespace: place }));
    return (await Promise.all(missingIn)).flat();
  });
  return enrolled({ managementCluster, enrolment, applied, minted, tokenSeconds, target, missing, options });
}

function checkName(managementCluster: string): void {
  if (configurationSchema.shape.managementClusters.keyType.safeParse(managementCluster).success) return;
  throw new ConfigurationError(`"${managementCluster}" cannot name a management cluster`, {
    remedy: 'Use lower-case letters, digits, "-" and "."; it is the name that lifeboat.yaml gives it.',
  });
}

function planEnrolment({ for: wanted, namespace, onlyIn }: EnrollOptions): Enrolment {
  for (const name of [namespace, ...(onlyIn ?? [])]) checkNamespace(name);
  const purposes: readonly Purpose[] = wanted === 'all' ? PURPOSES : [wanted];
  const roles = purposes.map(roleFor);
  if (onlyIn === undefined) return { namespace, account: `lifeboat-${wanted}`, roles };
  // An account of its own: that of the other form may have rights in all of the cluster already.
  return { namespace, account: `lifeboat-${wanted}-namespaced`, roles, onlyIn: [...new Set(onlyIn)] };
}

function checkNamespace(name: string): void {
  // DNS-1123 label, as Kubernetes asks of namespaces.
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return;
  throw new ConfigurationError(`"${name}" cannot name a namespace`, {
    remedy: 'Use up to 63 lower-case letters, digits and "-".',
  });
}

function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= MOST_DAYS) return days;
  throw new ConfigurationError(`--token-days ${text} is not a number of days`, {
    remedy: `Give a whole number from 1 to ${MOST_DAYS}.`,
  });
}

/** Where the new kubeconfig goes. */
type Target = { readonly file: string } | { readonly secret: string };

export function chooseTarget(
  managementCluster: string,
  account: string,
  { for: wanted, to, secret }: Pick<EnrollOptions, 'for' | 'to' | 'secret'>,
): Target {
  if (secret === undefined) return { file: resolve(to ?? `${managementCluster}-${account}.kubeconfig`) };
  const purpose = wanted === 'restore' ? wanted : 'backup';
  if (to === undefined) return { secret: secret === true ? kubeconfigSecretName(managementCluster, purpose) : secret };
  throw new ConfigurationError('--to and --secret were both given', {
    remedy: 'Give the one that is to hold the kubeconfig.',
  });
}

async function administratorAccess(
  managementCluster: string,
  kubeconfig: string | undefined,
  config: string | undefined,
): Promise<ClusterAccess> {
  if (kubeconfig !== undefined) {
    const { text, source } = await readKubeconfigFile(resolve(kubeconfig), 'Correct --kubeconfig.');
    return parseKubeconfig(text.reveal(), source);
  }
  try {
    return await readAccess(
      configuredKubeconfigs(loadConfiguration(config, process.cwd()), 'backup'),
      managementCluster,
    );
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(`no administrator's access to ${managementCluster}: ${error.message}`, {
      remedy: 'Give the kubeconfig of an administrator with --kubeconfig <file>.',
      cause: error,
    });
  }
}

async function withApi<T>(access: ClusterAccess, work: (api: KubeApi) => Promise<T>): Promise<T> {
  const api = new KubeApi(access);
  try {
    return await work(api);
  } finally {
    api.close();
  }
}

// Kubernetes has no right to create only certain pods.
const OF_RESTORE =
  'whoever may create pods in a namespace can mount every Secret in it: keep this account apart, and its token short';

function printed(managementCluster: string, enrolment: Enrolment, { for: wanted }: EnrollOptions): CommandResult {
  const objects = enrolmentObjects(enrolment);
  const documents = objects.map((object) => {
    const note = object.metadata.name === roleFor('restore').name && ['Role', 'ClusterRole'].includes(object.kind);
    return `${note ? `# For restore: ${OF_RESTORE}.\n` : ''}${stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })}`;
  });
  const head = [
    `# The least that "${wanted}" needs on ${managementCluster}. Nothing was written.`,
    `# Make it, and a kubeconfig: ${enrolmentCommand(managementCluster, wanted, confinement(enrolment))}`,
    ...describeReach(enrolment).map((line) => `# ${line}`),
  ];
  const notes = wanted === 'backup' ? [] : [OF_RESTORE];
  return {
    json: { managementCluster, objects, notes },
    text: `${head.join('\n')}\n${documents.join('---\n').trimEnd()}`,
  };
}

interface Enrolled {
  readonly managementCluster: string;
  readonly enrolment: Enrolment;
  readonly applied: readonly AppliedObject[];
  readonly minted: MintedToken;
  readonly tokenSeconds: number;
  readonly target: Target;
  readonly missing: readonly Permission[];
  readonly options: EnrollOptions;
}

function enrolled(result: Enrolled): CommandResult {
  const { managementCluster, enrolment, applied, minted, tokenSeconds, target, missing, options } = result;
  const { namespace, account } = enrolment;
  const access = 'file' in target ? { kubeconfig: target.file } : { secret: target.secret };
  // Beside the access of backups, which goes on as it is.
  const reached = enrolment.onlyIn === undefined ? access : { ...access, namespaces: enrolment.onlyIn };
  const entry = options.for === 'restore' ? { restore: access } : reached;
  const configuration = { managementClusters: { [managementCluster]: entry } };
  const endsAt = minted.endsAt.toISOString();
  const again = enrolmentCommand(
    managementCluster,
    options.for,
    [
      ...['--namespace', namespace],
      ...confinement(enrolment),
      ...('file' in target ? ['--to', target.file, '--force'] : ['--secret', target.secret]),
      ...['--token-days', options.tokenDays],
    ],
    // The configured access is from now on that of the account, which may not do this.
    options.kubeconfig,
  );
  const shortened = minted.grantedSeconds < tokenSeconds;
  return {
    json: {
      managementCluster,
      account: `${namespace}/${account}`,
      objects: applied,
      token: { endsAt, askedSeconds: tokenSeconds, grantedSeconds: minted.grantedSeconds },
      configuration,
      renew: again,
      missing,
    },
    text: [
      ...applied.map(({ kind, name, outcome }) => `${kind} ${name}: ${describeOutcome(outcome)}`),
      `token of ServiceAccount ${namespace}/${account}: ends ${endsAt}${shortened ? `, the API server granted ${describeSeconds(minted.grantedSeconds)} of ${options.tokenDays} days` : ''}`,
      ...(options.for === 'backup' ? [] : [`note: ${OF_RESTORE}`]),
      describeEffect(missing),
      ...describeReach(enrolment),
      '',
      'In lifeboat.yaml:',
      ...stringify(configuration, { lineWidth: 0 })
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
      '',
      `Before the token ends: ${again}`,
    ].join('\n'),
    exitCode: missing.length > 0 ? EXIT.failed : EXIT.done,
  };
}

function confinement({ onlyIn = [] }: Enrolment): string[] {
  return onlyIn.flatMap((place) => ['--only-in', place]);
}

/** What an account that is confined can do and what not. */
function describeReach({ onlyIn }: Enrolment): string[] {
  if (onlyIn === undefined) return [];
  return [
    `It reaches nothing outside of ${onlyIn.join(', ')}. A control plane needs two namespaces there: its own, and that of its pods`,
    '(for a HostedCluster <namespace>-<name>). discover, status and policies look into these namespaces only: "namespaces" in',
    'lifeboat.yaml says so. A control plane that is made later needs this command again, with its namespaces.',
  ];
}

function describeOutcome(outcome: AppliedObject['outcome']): string {
  return outcome === 'not ours' ? 'was there already, left as it is' : outcome;
}

function describeSeconds(seconds: number): string {
  return seconds < 2 * SECONDS_A_DAY
    ? `${Math.floor(seconds / 3600)} hours`
    : `${Math.floor(seconds / SECONDS_A_DAY)} days`;
}

function describeEffect(missing: readonly Permission[]): string {
  if (missing.length === 0) return 'permissions: all rules checked and effective';
  return `permissions NOT in force: ${missing.map(describePermission).join(', ')}; look for an authorizer beside RBAC, then run it again`;
}
