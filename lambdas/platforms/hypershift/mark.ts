import type { ControlPlaneName } from '../../domain/control-plane.ts';
import { ConflictError, NotFoundError } from '../../domain/errors.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import type { SeenMark } from '../platform.ts';
import { referenceTo } from './hosted-cluster.ts';

const OPERATION_ANNOTATION = 'lifeboat.io/operation';
const RESTORED_ANNOTATION = 'hypershift.openshift.io/restored-from-backup';

/** The mark as an annotation of the HostedCluster: whoever looks at that sees it. */
export async function readMark(api: KubeApi, name: ControlPlaneName): Promise<SeenMark | undefined> {
  const object = await api.get(referenceTo(name));
  if (object === undefined) return undefined;
  const { annotations = {}, uid = '', resourceVersion = '' } = object.metadata;
  return { text: annotations[OPERATION_ANNOTATION] ?? null, uid, version: resourceVersion };
}

/** Writes it only onto the HostedCluster as it was read. */
export async function writeMark(
  api: KubeApi,
  name: ControlPlaneName,
  { text, version }: Omit<SeenMark, 'uid'>,
): Promise<boolean> {
  const metadata = { resourceVersion: version, annotations: { [OPERATION_ANNOTATION]: text } };
  try {
    await api.merge(referenceTo(name), { metadata });
    return true;
  } catch (error) {
    if (error instanceof ConflictError || error instanceof NotFoundError) return false;
    throw error;
  }
}

/**
 * Says by an annotation that the data are from a backup: HyperShift then repairs what hangs on volumes of before, and takes it away
 * again (openshift/hypershift #6195, #7851).
 */
export async function markRestored(api: KubeApi, name: ControlPlaneName): Promise<void> {
  await api.merge(referenceTo(name), { metadata: { annotations: { [RESTORED_ANNOTATION]: '' } } });
}
