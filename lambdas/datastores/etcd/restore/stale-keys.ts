import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls } from '../../../domain/etcd-workload.ts';
import { withAnyMember, type Reach } from '../reach-member.ts';
import type { EtcdClient } from '../wire/etcd-client.ts';
import { workloadOf } from './workload.ts';

/** What a restored etcd held of a time that is over. */
export interface StaleKeys {
  /** Names, e.g. an API server's address or `kube-scheduler`. Of a repeated call only what the last one still found. */
  readonly removed: {
    readonly masterLeases: readonly string[];
    readonly systemLeases: readonly string[];
  };
  /** How many there are of what is not ours to remove, but may hold a cluster up after a restore. */
  readonly left: {
    /** Nodes look unready until they report. */
    readonly nodeLeases: number;
    /** Of other namespaces; their holders may be gone and are waited for. */
    readonly otherLeases: number;
    readonly certificateSigningRequests: number;
    /** One whose Service is not there any more refuses what it is asked about. */
    readonly webhookConfigurations: number;
  };
}

/**
 * Removes the records of API servers and the leader elections of kube-system, whose holders are of before the restore, from an
 * etcd that no API server uses yet. `prefix` is what Kubernetes' keys start with, e.g. `/registry`. Safe to repeat. Errors
 * as of {@link EtcdClient}.
 */
export async function removeStaleKeys(
  installation: EtcdInstallation,
  tls: EtcdClientTls,
  prefix: string,
  reach: Reach,
): Promise<StaleKeys> {
  return await withAnyMember(workloadOf(installation, tls), reach, async (client) => {
    const count = async (path: string) =>
      (await client.range({ ...below(`${prefix}/${path}`), keysOnly: true, limit: 1 })).count;
    const removed = {
      masterLeases: await removeBelow(client, `${prefix}/masterleases/`),
      systemLeases: await removeBelow(client, `${prefix}/leases/kube-system/`),
    };
    const nodeLeases = await count('leases/kube-node-lease/');
    return {
      removed,
      left: {
        nodeLeases,
        otherLeases: (await count('leases/')) - nodeLeases,
        certificateSigningRequests: await count('certificatesigningrequests/'),
        webhookConfigurations:
          (await count('validatingwebhookconfigurations/')) + (await count('mutatingwebhookconfigurations/')),
      },
    };
  });
}

async function removeBelow(client: EtcdClient, prefix: string): Promise<string[]> {
  const { key, rangeEnd } = below(prefix);
  const { kvs } = await client.range({ key, rangeEnd, keysOnly: true });
  if (kvs.length > 0) await client.deleteKeys(key, rangeEnd);
  return kvs.map((kv) => kv.key.subarray(key.length).toString('utf8'));
}

/** The range of all keys below a path that ends in `/`; `0` is the character after it. */
function below(path: string): { key: Buffer; rangeEnd: Buffer } {
  return { key: Buffer.from(path), rangeEnd: Buffer.from(`${path.slice(0, -1)}0`) };
}
