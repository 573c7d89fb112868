import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import type { KubeApi } from './api.ts';
import { SECRET, type ControlPlaneObject, type NameReference } from './resources.ts';

/** Data key of the Secrets in the HostedCluster's namespace that hold encryption keys: 32 bytes. */
export const ENCRYPTION_KEY = 'key';

interface AescbcKey {
  readonly name: string;
  readonly secret: string;
}

async function readKey(api: KubeApi, namespace: string, reference: NameReference): Promise<AescbcKey> {
  const secret = await api.get(SECRET, namespace, reference.name);
  const value = secret?.data?.[ENCRYPTION_KEY];
  if (value === undefined) throw new Error(`Secret ${namespace}/${reference.name} has no "${ENCRYPTION_KEY}"`);
  const fingerprint = createHash('sha256').update(value).digest('hex').slice(0, 8);
  return { name: `aescbckey-${fingerprint}`, secret: value };
}

/**
 * The EncryptionConfiguration that a HostedCluster's aescbc keys ask for, or undefined without encryption. The active key
 * comes first and encrypts; the backup key still decrypts what was written under it, and so does identity.
 */
export async function encryptionConfiguration(api: KubeApi, cluster: ControlPlaneObject): Promise<string | undefined> {
  const { secretEncryption } = cluster.spec;
  if (secretEncryption === undefined) return undefined;
  const { aescbc } = secretEncryption;
  if (secretEncryption.type !== 'aescbc' || aescbc === undefined) throw new Error('the twin encrypts with aescbc only');
  const references = [aescbc.activeKey, ...(aescbc.backupKey === undefined ? [] : [aescbc.backupKey])];
  const namespace = cluster.metadata.namespace ?? '';
  const keys = await Promise.all(references.map((reference) => readKey(api, namespace, reference)));
  return stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: [{ aescbc: { keys } }, { identity: {} }] }],
  });
}
