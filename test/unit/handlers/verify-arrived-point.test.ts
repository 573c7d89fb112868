import { describe, expect, it } from '@jest/globals';
import { verifyArrivedPointStep } from '../../../lambdas/handlers/verify-arrived-point.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { objectCreated } from './aws-events.ts';

const MANIFEST = 'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2/manifest.json';

/** Ports of which nothing but the store's location may be touched. */
function untouchable(location: string): ClusterRunPorts {
  return { store: { location } } as ClusterRunPorts;
}

describe('the function that verifies what arrives in the store', () => {
  it.each([
    ['of another bucket', 'backups', 'others', MANIFEST],
    ['of a bucket whose name begins alike', 'backups', 'backups-old', MANIFEST],
    ['outside the prefix', 'backups/lifeboat', 'backups', MANIFEST],
    ['that is a snapshot', 'backups', 'backups', MANIFEST.replace('manifest.json', 'etcd-main.db.zst')],
    ['of somebody else', 'backups', 'backups', 'notes/manifest.json'],
    ['with names that Kubernetes does not allow', 'backups', 'backups', MANIFEST.replace('mgmt-a', 'Mgmt A')],
    ['that tries to climb', 'backups', 'backups', MANIFEST.replace('clusters', '..')],
    ['without a name', 'backups', 'backups', ''],
  ])('ignores an object %s', async (_, store, bucket, key) => {
    const answer = await verifyArrivedPointStep.run(objectCreated(bucket, key), untouchable(`s3://${store}`));
    expect(answer).toEqual({ ignored: `s3://${bucket}/${key} is no manifest of ours` });
  });

  const { detail, ...withoutDetail } = objectCreated('backups', MANIFEST);
  it.each([
    ['nothing', null],
    ['a text', 'Object Created'],
    ['another service', { ...withoutDetail, detail, source: 'aws.ec2' }],
    ['another event of S3', { ...withoutDetail, detail, 'detail-type': 'Object Deleted' }],
    ['no detail', withoutDetail],
    ['a detail without a key', { ...withoutDetail, detail: { ...detail, object: {} } }],
    ['the notification format of S3 without EventBridge', { Records: [{ s3: { object: { key: MANIFEST } } }] }],
  ])('refuses an event with %s, and says what is wrong', async (_, event) => {
    await expect(verifyArrivedPointStep.run(event, untouchable('s3://backups'))).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('the input is not what this step takes') as unknown,
    });
  });
});
