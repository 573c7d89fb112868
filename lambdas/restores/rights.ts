import type { ControlPlaneName } from '../domain/control-plane.ts';
import { ANEW, enrolmentCommand } from '../domain/enrolment-command.ts';
import { deniedPermissions, describePermission } from '../kube/access-reviews.ts';
import { permissionsOf } from '../kube/enrolment-objects.ts';
import type { CallOptions, KubeApi } from '../kube/kube-api.ts';
import type { Platform } from '../platforms/platform.ts';

/** What is missing of these shows while the restore is planned. */
const READING = ['get', 'list'];

/**
 * Warnings on what a restore does and this account may not, which would show only behind the fence. No refusal: rights may be
 * given for objects of certain names, and the API server tells of those only who knows them.
 */
export async function warningsOfRights(
  { platform, name, api }: { readonly platform: Platform; readonly name: ControlPlaneName; readonly api: KubeApi },
  options: CallOptions,
): Promise<string[]> {
  const writing = permissionsOf(platform.restorePermissions).filter(({ verb }) => !READING.includes(verb));
  let denied = await deniedPermissions(api, writing, options);
  for (const namespace of platform.namespacesOf(name)) {
    denied = await deniedPermissions(api, denied, { ...options, namespace });
  }
  if (denied.length === 0) return [];
  const enrol = enrolmentCommand(name.managementCluster, 'restore', ANEW);
  return [
    `this account may not ${denied.map(describePermission).join(', ')}, unless for objects of certain names: without them the restore fails half way and is rolled back; "${enrol}" makes one that may`,
  ];
}
