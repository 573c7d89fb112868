import { ClusterUnreachableError, KubeconfigError, PermissionError, type LifeboatError } from '../domain/errors.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { describeConnectionFailure, readTlsFailure } from './connection-failure.ts';

/** The API server does not know the credentials (401); they may have been changed since the kubeconfig was read. */
export class CredentialsRefusedError extends PermissionError {}

/** One call to the API in the words of RBAC, so that a refusal can say which rule is missing. */
export interface ApiCall {
  /** The verbs that RBAC asks for, each of which may be the one that is missing. */
  readonly verbs: readonly [string, ...string[]];
  /** Empty for the core group. */
  readonly group: string;
  /** Plural, with its subresource: `secrets`, `pods/portforward`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** `get secrets "etcd-client-tls" in namespace "clusters-prod"`. */
export function describeCall({ verbs, resource, namespace, name }: ApiCall): string {
  const object = name === undefined ? resource : `${resource} "${name}"`;
  return `${verbs.join(' and ')} ${object}${namespace === undefined ? '' : ` in namespace "${namespace}"`}`;
}

function missingRule({ verbs, group, resource, namespace, name }: ApiCall, { enrolment }: ClusterAccess): string {
  const list = (words: readonly string[]): string => `[${words.map((word) => `"${word}"`).join(', ')}]`;
  if (resource.startsWith('/'))
    return `Add this rule to its ClusterRole: {nonResourceURLs: ${list([resource])}, verbs: ${list(verbs)}}.`;
  const names = name === undefined ? '' : `, resourceNames: ${list([name])}`;
  const rule = `{apiGroups: ${list([group])}, resources: ${list([resource])}${names}, verbs: ${list(verbs)}}`;
  return `Add this rule to ${namespace === undefined ? 'its ClusterRole' : `its Role in namespace "${namespace}"`}: ${rule}; all that it needs is given by: ${enrolment ?? 'lifeboat enroll'}`;
}

/**
 * The error for an answer other than success. The server's text is never taken over: it may repeat what was sent, and
 * what matters (who may not do what) is known from the call itself.
 */
export function errorForStatus(status: number, call: ApiCall, access: ClusterAccess): LifeboatError {
  const what = `${describeCall(call)} on ${access.server}`;
  if (status === 401) {
    return new CredentialsRefusedError(
      `could not ${what}: the API server did not accept the credentials in ${access.source}`,
      { remedy: remedyForRefusal(access) },
    );
  }
  if (status === 403) {
    return new PermissionError(`the user in ${access.source} may not ${what}`, { remedy: missingRule(call, access) });
  }
  if (status === 408 || status === 409 || status === 429 || status >= 500) {
    const why = TRANSIENT[status] ?? `the API server answered ${status}`;
    return new ClusterUnreachableError(`could not ${what}: ${why}`, {
      remedy: 'Look at the health of the management cluster, then try again.',
    });
  }
  return notAnApiServer(access, `it answered ${status} to "${describeCall(call)}"`);
}

const TRANSIENT: Readonly<Record<number, string>> = {
  409: 'somebody else was changing it at the same moment (409)',
  429: 'the API server is throttling (429)',
};

function remedyForRefusal({ credentials, enrolment }: ClusterAccess): string {
  switch (credentials.kind) {
    case 'token':
      return `The token has expired or was revoked: put a new one into the kubeconfig${enrolment === undefined ? '.' : `, e.g. one of: ${enrolment}`}`;
    case 'certificate':
      return 'The client certificate is not signed by the CA for clients of this cluster: issue a new one.';
    case 'eks':
      return `Create an access entry for this AWS role on EKS cluster ${credentials.cluster}, and compare name and region.`;
  }
}

/** Something answers at the address, but not as the Kubernetes API does. */
export function notAnApiServer({ server, source }: ClusterAccess, evidence: string): LifeboatError {
  return new KubeconfigError(
    `${server} in ${source} is not an API server, or something stands in front of it: ${evidence}`,
    {
      remedy: 'Correct the address; it must lead to the API server itself, without a login page or a path of its own.',
    },
  );
}

/** The error for a call that got no answer. */
export function errorForConnection(error: unknown, timedOut: boolean, access: ClusterAccess): LifeboatError {
  const tls = readTlsFailure(error);
  if (tls?.side === 'client') {
    return new PermissionError(`the API server ${access.server} did not let us in: ${tls.reason}`, {
      remedy: `Issue a new client certificate for the user in ${access.source}.`,
      cause: error,
    });
  }
  if (tls?.side === 'ca') {
    return new KubeconfigError(
      `the CA in ${access.source} does not match the API server ${access.server}: ${tls.reason}`,
      { remedy: "Put the cluster's present CA into certificate-authority-data, or correct the address.", cause: error },
    );
  }
  const why = tls?.reason ?? (timedOut ? 'it did not answer in time' : describeConnectionFailure(error));
  return new ClusterUnreachableError(`the API server ${access.server} could not be reached: ${why}`, {
    remedy: 'Check the address in the kubeconfig and that it can be reached from here.',
    cause: error,
  });
}
