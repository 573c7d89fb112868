import type { Purpose } from './purpose.ts';

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
  // The account's kubeconfig is there already wherever this line is needed.
  const options = ['--for', purpose, '--apply', '--force', ...more, '--kubeconfig', administrator];
  return `lifeboat enroll ${managementCluster} ${options.join(' ')}`;
}
