import type { Purpose } from './purpose.ts';

/** For an account whose kubeconfig is there already. */
export const ANEW = ['--force'] as const;

/**
 * The line that gives an account of Lifeboat all that a purpose needs on a management cluster, and a new token; `more` are further options. It
 * needs the kubeconfig of somebody who may grant that, which the account itself may not.
 */
export function enrolmentCommand(
  managementCluster: string,
  purpose: Purpose | 'all',
  more: readonly string[] = [],
  administrator = '<admin kubeconfig>',
): string {
  const options = ['--for', purpose, '--apply', ...more, '--kubeconfig', administrator];
  return `lifeboat enroll ${managementCluster} ${options.join(' ')}`;
}
