import { describe, expect, it } from '@jest/globals';
import { errorForStatus, type ApiCall } from '../../../lambdas/kube/api-failure.ts';
import type { ClusterAccess } from '../../../lambdas/kube/cluster-access.ts';
import { readRenewableAccess } from '../../../lambdas/kube/renewable-access.ts';
import { PermissionError } from '../../../lambdas/domain/errors.ts';
import type { Purpose } from '../../../lambdas/domain/purpose.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';

const ACCESS: ClusterAccess = {
  server: 'https://mgmt-a:6443',
  ca: '',
  serverName: undefined,
  credentials: { kind: 'token', token: new Secret('planted-token-of-refusals') },
  source: '/etc/lifeboat/mgmt-a.kubeconfig',
};
const CALL: ApiCall = { verbs: ['get'], group: '', resource: 'secrets', namespace: 'clusters', name: 'pull-secret' };

async function refusalFor(purpose: Purpose, status: number) {
  const { current } = await readRenewableAccess({ purpose, read: () => Promise.resolve(ACCESS) }, 'mgmt-a');
  return errorForStatus(status, CALL, current);
}

describe('what the API server refuses to an account', () => {
  it.each([
    [403, 'backup'],
    [403, 'restore'],
    [401, 'backup'],
    [401, 'restore'],
  ] as const)('with %d to that of a %s is told with the line that gives it what it needs', async (status, purpose) => {
    const error = await refusalFor(purpose, status);
    expect(error).toBeInstanceOf(PermissionError);
    expect(error.remedy).toMatch(
      new RegExp(`: lifeboat enroll mgmt-a --for ${purpose} --apply --force --kubeconfig <admin kubeconfig>$`),
    );
  });
});
