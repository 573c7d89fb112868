import * as z from 'zod';
import { describeObject, type KubernetesObject } from '../domain/kubernetes-object.ts';
import type { KubeApi } from './kube-api.ts';

/** A Secret or ConfigMap without which the pods of a workload do not start. */
export interface MountedObject {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
}

const optional = z.boolean().default(false);
const volumesSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        volumes: z
          .array(
            z.object({
              secret: z.object({ secretName: z.string(), optional }).optional(),
              configMap: z.object({ name: z.string(), optional }).optional(),
            }),
          )
          .default([]),
      }),
    }),
  }),
});

/** What the pods of a Deployment or StatefulSet mount. */
export function mountsOf(workload: KubernetesObject): MountedObject[] {
  const { volumes } = volumesSchema.parse(workload).spec.template.spec;
  return volumes.flatMap(({ secret, configMap }): MountedObject[] => [
    ...(secret === undefined || secret.optional ? [] : [{ kind: 'Secret', name: secret.secretName } as const]),
    ...(configMap === undefined || configMap.optional ? [] : [{ kind: 'ConfigMap', name: configMap.name } as const]),
  ]);
}

/** Those of the mounted objects that are not there, by name and once each. */
export async function missingObjects(
  api: KubeApi,
  namespace: string,
  mounts: readonly MountedObject[],
): Promise<string[]> {
  const objects = new Map(
    mounts.map(({ kind, name }) => {
      const object = { apiVersion: 'v1', kind, metadata: { namespace, name } };
      return [describeObject(object), object] as const;
    }),
  );
  const missing = await Promise.all(
    [...objects].map(async ([description, { kind, metadata }]) => {
      const found = await api.get({ apiVersion: 'v1', kind, ...metadata });
      return found === undefined ? [description] : [];
    }),
  );
  return missing.flat().sort();
}
