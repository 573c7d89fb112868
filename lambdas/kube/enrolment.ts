import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import * as z from 'zod';
import { ConflictError, PermissionError } from '../domain/errors.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import { Secret } from '../domain/secret.ts';
import { deniedPermissions, type ReviewOptions } from './access-reviews.ts';
import { CredentialsRefusedError } from './api-failure.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { OUR_LABEL, permissionsOf, type Permission, type PolicyRule } from './enrolment-objects.ts';
import type { CallOptions, KubeApi } from './kube-api.ts';

/** What became of an object of an enrolment; a namespace that was there before is somebody else's and stays as it is. */
export interface AppliedObject {
  readonly kind: string;
  readonly name: string;
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'not ours';
}

/**
 * Makes the objects of an enrolment be as given. Nothing is written when one of them is somebody else's (ConflictError);
 * only a namespace may be, which is used as it is. Safe to repeat. Errors otherwise: those of {@link KubeApi}.
 */
export async function applyEnrolment(
  api: KubeApi,
  objects: readonly KubernetesObject[],
  options: CallOptions = {},
): Promise<AppliedObject[]> {
  try {
    return await applyAll(api, objects, options);
  } catch (error) {
    if (!(error instanceof PermissionError) || error instanceof CredentialsRefusedError) throw error;
    // https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
    throw new PermissionError(error.message, {
      remedy:
        'Use an administrator\'s kubeconfig: who grants rules must have them all, or may "escalate" and "bind" ClusterRoles.',
      cause: error,
    });
  }
}

async function applyAll(
  api: KubeApi,
  objects: readonly KubernetesObject[],
  options: CallOptions,
): Promise<AppliedObject[]> {
  // One after the other: of several refusals the first in order is told, whichever the API server answers first.
  const found: (KubernetesObject | undefined)[] = [];
  for (const object of objects) found.push(await api.get(referenceTo(object), options));
  const foreign = objects.filter((object, index) => {
    const before = found[index];
    return before !== undefined && object.kind !== 'Namespace' && !isOurs(before);
  });
  if (foreign.length > 0) {
    const [label] = Object.entries(OUR_LABEL).map(([key, value]) => `${key}=${value}`);
    throw new ConflictError(`not made by Lifeboat, and left alone: ${foreign.map(describeObject).join(', ')}`, {
      remedy: `Choose another namespace, or delete them or label them ${label ?? ''} if they may be replaced.`,
    });
  }
  const applied: AppliedObject[] = [];
  for (const [index, object] of objects.entries()) {
    const before = found[index];
    applied.push({ ...nameOf(object), outcome: await applyObject(api, object, before, options) });
  }
  return applied;
}

async function applyObject(
  api: KubeApi,
  object: KubernetesObject,
  before: KubernetesObject | undefined,
  options: CallOptions,
): Promise<AppliedObject['outcome']> {
  if (before !== undefined && !isOurs(before)) return 'not ours';
  const after = await api.apply(object, options);
  if (before === undefined) return 'created';
  return versionOf(before) === versionOf(after) ? 'unchanged' : 'changed';
}

function referenceTo({ apiVersion, kind, metadata: { namespace, name } }: KubernetesObject) {
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }) };
}

function isOurs({ metadata: { labels = {} } }: KubernetesObject): boolean {
  return Object.entries(OUR_LABEL).every(([key, value]) => labels[key] === value);
}

function versionOf({ metadata }: KubernetesObject): unknown {
  return metadata.resourceVersion;
}

function nameOf({ kind, metadata: { namespace, name } }: KubernetesObject): { kind: string; name: string } {
  return { kind, name: namespace === undefined ? name : `${namespace}/${name}` };
}

function describeObject(object: KubernetesObject): string {
  const { kind, name } = nameOf(object);
  return `${kind} ${name}`;
}

/** A token of a ServiceAccount, and what the API server granted of what was asked. */
export interface MintedToken {
  readonly token: Secret;
  readonly endsAt: Date;
  /** Less than was asked where the API server has a maximum (`--service-account-max-token-expiration`). */
  readonly grantedSeconds: number;
}

const tokenSchema = z.looseObject({
  spec: z.looseObject({ expirationSeconds: z.number() }),
  status: z.looseObject({ token: z.string().min(1), expirationTimestamp: z.iso.datetime({ offset: true }) }),
});

/** Asks for a token of a ServiceAccount; it ends with the account, and cannot be revoked otherwise. */
export async function mintToken(
  api: KubeApi,
  { namespace, account }: { readonly namespace: string; readonly account: string },
  expirationSeconds: number,
  options: CallOptions = {},
): Promise<MintedToken> {
  const target = { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: account, subresource: 'token' };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } };
  const { spec, status } = await api.request(target, body, tokenSchema, options);
  return {
    token: new Secret(status.token),
    endsAt: new Date(status.expirationTimestamp),
    grantedSeconds: spec.expirationSeconds,
  };
}

/** A kubeconfig of one context that leads where `access` does, with a token in place of its credentials. */
export function tokenKubeconfig(access: ClusterAccess, cluster: string, user: string, token: Secret): Secret {
  const { server, ca, serverName } = access;
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: cluster,
        cluster: {
          server,
          'certificate-authority-data': Buffer.from(ca).toString('base64'),
          ...(serverName !== undefined && { 'tls-server-name': serverName }),
        },
      },
    ],
    users: [{ name: user, user: { token: token.reveal() } }],
    contexts: [{ name: cluster, context: { cluster, user } }],
    'current-context': cluster,
  };
  return new Secret(stringify(kubeconfig, { lineWidth: 0 }));
}

export interface EffectOptions extends ReviewOptions {
  /** API servers learn of a new role from each other with a delay. */
  readonly timeoutMilliseconds?: number;
  readonly intervalMilliseconds?: number;
}

/**
 * Asks the API server, as the account itself, whether it goes by the rules in the namespace, or in every one, until it does or the time is
 * up; gives what it still refuses. PermissionError when the account may not even ask.
 */
export async function missingPermissions(
  api: KubeApi,
  rules: readonly PolicyRule[],
  { timeoutMilliseconds = 30_000, intervalMilliseconds = 500, ...options }: EffectOptions = {},
): Promise<Permission[]> {
  const deadline = performance.now() + timeoutMilliseconds;
  let missing = permissionsOf(rules);
  for (;;) {
    try {
      missing = await deniedPermissions(api, missing, options);
    } catch (error) {
      // Another API server than the one that minted the token may not know the account yet.
      if (!(error instanceof PermissionError) || performance.now() > deadline) throw error;
    }
    if (missing.length === 0 || performance.now() > deadline) return missing;
    await delay(intervalMilliseconds, undefined, options);
  }
}
