import type { Purpose } from '../domain/purpose.ts';
import { mergeRules, type EnrolmentRole, type PolicyRule } from '../kube/enrolment-objects.ts';
import { platforms } from './registry.ts';

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
