/**
 * Why a right is granted that the run of this suite does not use, by what its line `<role> <action> <resource>` matches. A reason
 * that nothing needs any more is an error too.
 */
export const REASONS: readonly (readonly [line: RegExp, reason: string])[] = [
  [/ logs:(CreateLogStream|PutLogEvents) /, 'Lambda itself writes what a function prints.'],
  [/ xray:/, 'Lambda and Step Functions send traces themselves.'],
  [/ logs:/, 'Step Functions sets up the delivery of its log.'],
  [/ sqs:SendMessage /, 'Nothing of the run was given up.'],
  [/StartNextPart/, 'Only a run of more than twelve pages has a next part: test/e2e/hypershift/functions.test.ts.'],
  [
    / s3:(AbortMultipartUpload|ListMultipartUploadParts|ListBucketMultipartUploads) /,
    'No upload was left unfinished: test/contract/store/s3-faults.test.ts.',
  ],
  [/^RestoreControlPlaneTakeSafetyPoint s3:PutObjectRetention /, 'Only where the policy of the point has a lock.'],
  [
    /^RestoreControlPlane(PrepareData|FinishRestore) s3:(.*\/staging\/|ListBucketVersions )/,
    'Only with "transfer: presigned-url", whose pods must reach the store: test/e2e/hypershift/restore-by-url.test.ts.',
  ],
  [/ s3:ListBucket /, 'Without it S3 answers 403 in place of 404 for what is not there.'],
  [
    /^BackUpFleetApplyRetention s3:GetObject .*\/(operations|restores)\//,
    'Only of a safety point past its days: has its restore ended?',
  ],
  [
    /^BackUpFleetPlanRun s3:GetObject .*\/recovery-points\//,
    'Only of control planes that are no longer found: when were they last backed up?',
  ],
  [
    /^ObservabilityReportStatus s3:GetObject .*\/(locks|recovery-points)\//,
    'Only of control planes that the last run has not verified.',
  ],
  [/^ObservabilityReportStatus s3:GetObject .*\/restores\//, 'Only of restores that have not ended.'],
  [
    /^RestoreControlPlanePlanRestore s3:GetObject .*\/locks\//,
    'Only of a restore that goes on: whose lock was it since?',
  ],
];
