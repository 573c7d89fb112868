import { mergeRules, type EnrolmentRole, type PolicyRule } from '../kube/enrolment-objects.ts';
import { platforms } from './registry.ts';

/** What an account on a management cluster may be for. */
export const PURPOSES = ['backup', 'restore'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** The least that the purpose needs on a management cluster that may run any platform we have. */
export function rulesFor(purpose: Purpose): PolicyRule[] {
  const all = Object.values(platforms);
  return mergeRules(
    all.flatMap(({ backupPermissions, restorePermissions }) =>
      purpose === 'backup' ? backupPermissions : restorePermissions,
    ),
  );
}

/** The ClusterRole of a purpose. */
export function roleFor(purpose: Purpose): EnrolmentRole {
  return { name: `lifeboat-${purpose}`, rules: rulesFor(purpose) };
}
