import type { V1Secret } from '@kubernetes/client-node';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';

/** One value of a Secret as text; undefined when the Secret or its key is not there. */
export function secretText(secret: KubernetesObject | undefined, key: string): string | undefined {
  const encoded = (secret?.['data'] as V1Secret['data'])?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString();
}
