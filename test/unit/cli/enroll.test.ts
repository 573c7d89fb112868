import { expect, it } from '@jest/globals';
import { chooseTarget, ENROLL_PURPOSES } from '../../../bin/commands/enroll.ts';
import { SECRET_PREFIXES } from '../../../lambdas/domain/kubeconfig-secret.ts';

it.each([
  ['backup', 'lifeboat/management-clusters/mgmt-a'],
  ['restore', 'lifeboat/restores/mgmt-a'],
  // Whoever keeps one account for both has nothing to keep from backups.
  ['all', 'lifeboat/management-clusters/mgmt-a'],
] as const)('an account for %s goes to the secret where its functions look for it', (purpose, secret) => {
  expect(ENROLL_PURPOSES).toContain(purpose);
  expect(chooseTarget('mgmt-a', 'unused', { for: purpose, secret: true })).toEqual({ secret });
});

it('an account goes to a secret of another name when one is given', () => {
  expect(chooseTarget('mgmt-a', 'unused', { for: 'restore', secret: 'mine' })).toEqual({ secret: 'mine' });
});

it('no prefix holds what another one is for', () => {
  const [backup, restore] = [SECRET_PREFIXES.backup, SECRET_PREFIXES.restore];
  expect([backup.startsWith(restore), restore.startsWith(backup)]).toEqual([false, false]);
});
