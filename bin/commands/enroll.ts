import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
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
import { assertAbsent, writePrivateFile } from '../local/private-file.ts';
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
  readonly apply: boolean;
  /** The administrator's kubeconfig; the configured access to the management cluster when left out. */
  readonly kubeconfig?: string;
  /** The file that gets the new kubeconfig. */
  readonly to?: string;
  /** The secret of Secrets Manager that gets it instead. */
  readonly secret?: string;
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
  if ('file' in target && !options.force) await assertAbsent(target.file);
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
    await storeKubeconfigSecret(target.secret, kubeconfig);
  }
  const source = 'file' in target ? target.file : `secret ${target.secret}`;
  const missing = await withApi(parseKubeconfig(kubeconfig.reveal(), source), (api) =>
    missingPermissions(
      api,
      enrolment.roles.flatMap(({ rules }) => rules),
      { signal },
    ),
  );
  return enrolled({ managementCluster, enrolment, applied, minted, tokenSeconds, target, missing, options });
}

function checkName(managementCluster: string): void {
  if (configurationSchema.shape.managementClusters.keyType.safeParse(managementCluster).success) return;
  throw new ConfigurationError(`"${managementCluster}" cannot name a management cluster`, {
    remedy: 'Use lower-case letters, digits, "-" and "."; it is the name that lifeboat.yaml gives it.',
  });
}

function planEnrolment({ for: wanted, namespace }: EnrollOptions): Enrolment {
  // DNS-1123 label, as Kubernetes asks of namespaces.
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new ConfigurationError(`"${namespace}" cannot name a namespace`, {
      remedy: 'Use up to 63 lower-case letters, digits and "-".',
    });
  }
  const purposes: readonly Purpose[] = wanted === 'all' ? PURPOSES : [wanted];
  return { namespace, account: `lifeboat-${wanted}`, roles: purposes.map(roleFor) };
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

function chooseTarget(managementCluster: string, account: string, { to, secret }: EnrollOptions): Target {
  if (secret === undefined) return { file: resolve(to ?? `${managementCluster}-${account}.kubeconfig`) };
  if (to === undefined) return { secret };
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
    const note = object.metadata.name === roleFor('restore').name && object.kind === 'ClusterRole';
    return `${note ? `# For restore: ${OF_RESTORE}.\n` : ''}${stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })}`;
  });
  const head = [
    `# The least that "${wanted}" needs on ${managementCluster}. Nothing was written.`,
    `# Make it, and a kubeconfig: lifeboat enroll ${managementCluster} --for ${wanted} --apply`,
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
  const entry = options.for === 'restore' ? { restore: access } : access;
  const configuration = { managementClusters: { [managementCluster]: entry } };
  const endsAt = minted.endsAt.toISOString();
  const again = [
    `lifeboat enroll ${managementCluster} --for ${options.for} --namespace ${namespace} --apply`,
    ...('file' in target ? [`--to ${target.file} --force`] : [`--secret ${target.secret}`]),
    `--token-days ${options.tokenDays}`,
    // The configured access is from now on that of the account, which may not do this.
    `--kubeconfig ${options.kubeconfig ?? "<an administrator's>"}`,
  ].join(' ');
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

function describeOutcome(outcome: AppliedObject['outcome']): string {
  return outcome === 'not ours' ? 'was there already, left as it is' : outcome;
}

function describeSeconds(seconds: number): string {
  return seconds < 2 * SECONDS_A_DAY
    ? `${Math.floor(seconds / 3600)} hours`
    : `${Math.floor(seconds / SECONDS_A_DAY)} days`;
}

function describeEffect(missing: readonly Permission[]): string {
  if (missing.length === 0) return 'permissions: the API server goes by every rule';
  return `permissions NOT in force: ${missing.map(describePermission).join(', ')}; look for an authorizer beside RBAC, then run it again`;
}
