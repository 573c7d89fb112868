import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { KeySample } from '../../domain/keyspace-difference.ts';
import { withAnyMember, type Reach } from './reach-member.ts';

/** More would only wait for each other in one connection. */
const READS_AT_ONCE = 16;

/** Keys of a sample whose value is another now, or that are not there. Errors as of connecting and reading. */
export async function unlikeKeys(
  sample: readonly KeySample[],
  workload: EtcdWorkload,
  reach: Reach,
): Promise<string[]> {
  return await withAnyMember(workload, reach, async (client) => {
    const compared = await pLimit(READS_AT_ONCE).map(sample, async ({ key, sha256 }) => {
      const { kvs } = await client.range({ key: Buffer.from(key) });
      const [found] = kvs;
      const isLike = found !== undefined && createHash('sha256').update(found.value).digest('hex') === sha256;
      return isLike ? [] : [key];
    });
    return compared.flat();
  });
}
