import type { V1SelfSubjectAccessReview } from '@kubernetes/client-node';
import * as z from 'zod';
import type { Plain } from '../domain/kubernetes-object.ts';
import type { Permission } from './enrolment-objects.ts';
import type { CallOptions, KubeApi } from './kube-api.ts';

const REVIEW = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' } as const;
const reviewSchema = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

export interface ReviewOptions extends CallOptions {
  /** In every namespace and outside of them when left out. */
  readonly namespace?: string;
}

/**
 * Asks the API server, as the account itself, what of this it would refuse for objects of any name. A review is created and
 * answered, and kept nowhere. PermissionError when the account may not even ask.
 */
export async function deniedPermissions(
  api: KubeApi,
  permissions: readonly Permission[],
  options: ReviewOptions = {},
): Promise<Permission[]> {
  const allowed = await Promise.all(permissions.map((permission) => isAllowed(api, permission, options)));
  return permissions.filter((_, index) => allowed[index] !== true);
}

/** `patch deployments.apps/scale`. */
export function describePermission({ group, resource, verb }: Permission): string {
  const [plural = '', subresource] = resource.split('/');
  const whole = group === '' ? plural : `${plural}.${group}`;
  return `${verb} ${subresource === undefined ? whole : `${whole}/${subresource}`}`;
}

async function isAllowed(
  api: KubeApi,
  { group, resource, verb }: Permission,
  { namespace, ...options }: ReviewOptions,
): Promise<boolean> {
  const [plural = '', subresource] = resource.split('/');
  const attributes = { group, resource: plural, ...(subresource !== undefined && { subresource }), verb };
  const resourceAttributes = { ...attributes, ...(namespace !== undefined && { namespace }) };
  const review = { ...REVIEW, spec: { resourceAttributes } } satisfies Plain<V1SelfSubjectAccessReview>;
  const { status } = await api.request(REVIEW, review, reviewSchema, options);
  return status.allowed;
}
