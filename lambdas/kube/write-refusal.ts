import {
  ConflictError,
  NotFoundError,
  PermissionError,
  UnsupportedError,
  type LifeboatError,
} from '../domain/errors.ts';
import { describeCall, errorForStatus, type ApiCall } from './api-failure.ts';
import { readApiStatus, type ApiStatus } from './api-status.ts';
import type { ClusterAccess } from './cluster-access.ts';
import type { HttpsResponse } from './https-pool.ts';

/** Answers to a write that {@link errorForRefusedWrite} explains, besides 409 to one with a condition. */
export const REFUSED_WRITE_STATUSES: readonly number[] = [400, 403, 404, 422];

// Who besides RBAC refuses a write, by what it says; the group is the refuser's name. The first that fits counts.
const ADMISSION: readonly (readonly [pattern: RegExp, why: string, remedy: string])[] = [
  [
    /exceeded quota|failed quota|status unknown for quota/,
    'a ResourceQuota of the namespace does not leave room for it',
    'Raise the quota for the time of the operation, then try again.',
  ],
  [
    /violates PodSecurity/,
    'the Pod Security level that the namespace enforces forbids such a pod',
    'Let the label pod-security.kubernetes.io/enforce of the namespace allow what its etcd pods are allowed.',
  ],
  [
    /security context constraint/,
    'no SecurityContextConstraints that our account may use allows such a pod',
    'Let the account use the SecurityContextConstraints of the etcd pods.',
  ],
  [
    /(?:minimum|maximum) [\w.-]+ usage per|limit to request ratio per/,
    'a LimitRange of the namespace forbids its requests or limits',
    'Widen the LimitRange for the time of the operation, then try again.',
  ],
  [
    /(?:admission webhook "|ValidatingAdmissionPolicy ')([\w.-]{1,253})/,
    'an admission rule of the cluster denies it',
    'Let that rule except what is labelled app.kubernetes.io/managed-by=lifeboat.',
  ],
];

// Written by the authorizer filter of every API server; admission writes other texts under the same status.
const MISSING_RULE = /\bcannot \w+ resource\b/;
const MOST_FIELDS = 3;
const FIELD = /^[\w.[\]/-]{1,100}$/;

/** The error for a write that the API server answered with one of {@link REFUSED_WRITE_STATUSES}, or by 409 to its condition. */
export function errorForRefusedWrite(
  { status, body }: HttpsResponse,
  call: ApiCall,
  access: ClusterAccess,
): LifeboatError {
  const said = readApiStatus(body);
  if (said === undefined || MISSING_RULE.test(said.message)) return errorForStatus(status, call, access);
  return errorForAdmission(said, call, access) ?? errorForState(status, said, call, access);
}

function errorForAdmission(
  { message, details }: ApiStatus,
  call: ApiCall,
  access: ClusterAccess,
): LifeboatError | undefined {
  const refuse = (why: string, remedy: string): PermissionError =>
    new PermissionError(`could not ${describeCall(call)} on ${access.server}: ${why}`, { remedy });
  if (details.causes.some(({ reason }) => reason === 'NamespaceTerminating')) {
    return refuse('its namespace is being deleted', 'See who deletes it; nothing can be made in it any more.');
  }
  for (const [pattern, why, remedy] of ADMISSION) {
    const found = pattern.exec(message);
    if (found === null) continue;
    const name = found[1];
    return refuse(name === undefined ? why : `${why} ("${name}")`, remedy);
  }
  return undefined;
}

function errorForState(status: number, { details }: ApiStatus, call: ApiCall, access: ClusterAccess): LifeboatError {
  const what = `could not ${describeCall(call)} on ${access.server}`;
  if (status === 403) {
    return new PermissionError(`${what}: an admission rule of the cluster denies it`, {
      remedy: 'Look into the log of the API server which admission plug-in denied it.',
    });
  }
  if (status === 404) {
    return new NotFoundError(`${what}: ${call.name === undefined ? 'its namespace' : 'it'} is not there`, {
      remedy: 'See who has deleted it.',
    });
  }
  const named = details.causes.map(({ field }) => field).filter((field) => FIELD.test(field));
  if (status === 409 && call.verbs.includes('patch')) {
    return new ConflictError(`${what}: somebody else has changed it since it was read`, {
      remedy: 'Read it again and decide anew.',
    });
  }
  // To a patch the uid is a field like any other, which may not be changed.
  if (status === 409 || named.includes('metadata.uid')) {
    return new ConflictError(`${what}: another object has this name now`, {
      remedy: 'Somebody has deleted the one that was meant and made it anew; see who.',
    });
  }
  const fields = [...new Set(named)].slice(0, MOST_FIELDS).join(', ');
  return new UnsupportedError(`${what}: it is not valid there${fields === '' ? '' : ` (${fields})`}`, {
    remedy: 'Compare the versions of Kubernetes and of the platform with those that Lifeboat was tested on.',
  });
}
