/**
 * Events as AWS documents them: Amazon S3 User Guide, "EventBridge event message structure"; EventBridge Scheduler User
 * Guide, "Adding context attributes" (`<aws.scheduler.scheduled-time>`).
 */
export function objectCreated(bucket: string, key: string) {
  return {
    version: '0',
    id: '17793124-05d4-b198-2fde-7ededc63b103',
    'detail-type': 'Object Created',
    source: 'aws.s3',
    account: '111122223333',
    time: '2026-01-02T03:04:05Z',
    region: 'eu-central-1',
    resources: [`arn:aws:s3:::${bucket}`],
    detail: {
      version: '0',
      bucket: { name: bucket },
      object: {
        key,
        size: 5,
        etag: 'b1946ac92492d2347c6235b4d2611184',
        'version-id': 'IYV3p45BT0ac8hjHg1houSdS1a.Mro8e',
        sequencer: '617f08299329d189',
      },
      'request-id': 'N4N7GDK58NMKJ12R',
      requester: '123456789012',
      'source-ip-address': '1.2.3.4',
      reason: 'PutObject',
    },
  };
}

/** What a schedule of the stack sends, the scheduled time filled in by EventBridge Scheduler. */
export function scheduleFired(policy: string, scheduledTime: string) {
  return { policy, slot: scheduledTime };
}
