import type { KubeApi } from './api.ts';
import { OPERATOR_NAMESPACE } from './names.ts';
import { CONFIG_MAP } from './resources.ts';

/** ConfigMap in the operator's namespace that stands for the cloud: instance id to its state. */
const INSTANCES = 'aws-instances';
export type InstanceState = 'running' | 'terminated';

/** Notes what became of an instance: what a test asks to learn whether a deletion reached the workers. */
export async function recordInstance(api: KubeApi, instance: string, state: InstanceState): Promise<void> {
  const held = await api.get(CONFIG_MAP, OPERATOR_NAMESPACE, INSTANCES);
  if (held !== undefined) {
    await api.patch(CONFIG_MAP, held, { data: { [instance]: state } });
    return;
  }
  await api.create(CONFIG_MAP, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: INSTANCES, namespace: OPERATOR_NAMESPACE },
    data: { [instance]: state },
  });
}
