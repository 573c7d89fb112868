import type { AwsCall } from './aws-calls.ts';

/** What IAM is asked about a call: one action on one resource, and what conditions may look at. */
export interface IamRequest {
  readonly role: string;
  /** `s3:GetObject` */
  readonly action: string;
  /** ARN, or `*` where the action knows none. */
  readonly resource: string;
  /** By the condition keys' names in small letters; a key that is not there is absent from the request. */
  readonly context: Readonly<Record<string, string>>;
}

/** What has to be known of the account to say which resources a call is about. */
export interface Account {
  readonly region: string;
  /** `amazonaws.com`, as the templates of the account have it. */
  readonly urlSuffix: string;
  /** ARNs of secrets by their names. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Of the key that encrypts the buckets. */
  readonly keyArn: string;
  /** ARNs of buses by their names. */
  readonly buses: ReadonlyMap<string, string>;
}

/** Everything that AWS would ask IAM for a call. Throws for a call that it does not know, so that none is passed over. */
export function iamRequestsOf(call: AwsCall, account: Account): IamRequest[] {
  const asked = call.service === 's3' ? s3Requests(call, account) : otherRequests(call, account);
  if (asked.length === 0) throw new Error(`it is not known what IAM is asked for ${call.method} ${call.url.pathname}`);
  return asked.map((request) => ({ context: {}, ...request, role: call.role }));
}

type Asked = Pick<IamRequest, 'action' | 'resource'> & { readonly context?: IamRequest['context'] };

/** Service Authorization Reference, "Actions, resources, and condition keys" of each service. */
function otherRequests({ service, method, url, headers, body }: AwsCall, account: Account): Asked[] {
  const operation = headers['x-amz-target']?.split('.').at(-1) ?? '';
  const input = (body ?? {}) as Record<string, unknown>;
  const text = (name: string) => String(input[name]);
  if (service === 'secretsmanager') {
    const resource = account.secrets.get(text('SecretId')) ?? text('SecretId');
    return [{ action: `secretsmanager:${operation}`, resource }];
  }
  if (service === 'states') {
    const resource = text(operation === 'StartExecution' ? 'stateMachineArn' : 'executionArn');
    return [{ action: `states:${operation}`, resource }];
  }
  if (service === 'events' && operation === 'PutEvents') {
    const entries = input['Entries'] as { EventBusName: string }[];
    return entries.map(({ EventBusName: bus }) => ({
      action: 'events:PutEvents',
      resource: account.buses.get(bus) ?? bus,
    }));
  }
  if (service === 'scheduler' && method === 'GET' && url.pathname === '/schedules') {
    return [{ action: 'scheduler:ListSchedules', resource: '*' }];
  }
  return [];
}

/**
 * Amazon S3 User Guide, "Required permissions for Amazon S3 API operations"; and of the key what SSE-KMS asks: "Uploading a
 * large file with multipart upload with encryption" and "Using server-side encryption with AWS KMS keys". Addresses are path-style.
 */
function s3Requests(call: AwsCall, account: Account): Asked[] {
  const [bucket = '', ...rest] = call.url.pathname.slice(1).split('/');
  const key = decodeURIComponent(rest.join('/'));
  const bucketArn = `arn:aws:s3:::${bucket}`;
  if (key === '') return ofBucket(call, bucketArn);
  const ofKey = (action: string) => ({
    action,
    resource: account.keyArn,
    context: { 'kms:viaservice': `s3.${account.region}.${account.urlSuffix}` },
  });
  const context = contextOf(call);
  return ofObject(call).flatMap((action) => {
    const asked = { action, resource: `${bucketArn}/${key}`, context };
    if (/^s3:GetObject(Version)?$/.test(action)) return [asked, ofKey('kms:Decrypt')];
    if (action !== 's3:PutObject') return [asked];
    // Completing an upload in parts decrypts them.
    const inParts = call.url.searchParams.has('uploadId') || call.url.searchParams.has('uploads');
    return [asked, ofKey('kms:GenerateDataKey'), ...(inParts ? [ofKey('kms:Decrypt')] : [])];
  });
}

function ofBucket({ method, url: { searchParams } }: AwsCall, resource: string): Asked[] {
  const action = () => {
    if (method === 'HEAD') return 's3:ListBucket';
    if (method !== 'GET') return undefined;
    if (searchParams.has('uploads')) return 's3:ListBucketMultipartUploads';
    if (searchParams.has('versions')) return 's3:ListBucketVersions';
    return searchParams.has('list-type') ? 's3:ListBucket' : undefined;
  };
  const found = action();
  const prefix = searchParams.get('prefix');
  return found === undefined
    ? []
    : [{ action: found, resource, context: prefix === null ? {} : { 's3:prefix': prefix } }];
}

function ofObject({ method, headers, url: { searchParams } }: AwsCall): string[] {
  const has = (name: string) => searchParams.has(name);
  const version = has('versionId') ? 'Version' : '';
  switch (method) {
    case 'HEAD':
      return [`s3:GetObject${version}`];
    case 'GET':
      if (has('retention')) return ['s3:GetObjectRetention'];
      if (has('legal-hold')) return ['s3:GetObjectLegalHold'];
      return has('uploadId') ? ['s3:ListMultipartUploadParts'] : [`s3:GetObject${version}`];
    case 'PUT':
      if (has('retention')) return ['s3:PutObjectRetention'];
      return ['s3:PutObject', ...alsoAsked(headers)];
    case 'POST':
      return has('uploads') || has('uploadId') ? ['s3:PutObject', ...alsoAsked(headers)] : [];
    case 'DELETE':
      return [has('uploadId') ? 's3:AbortMultipartUpload' : `s3:DeleteObject${version}`];
    default:
      return [];
  }
}

function alsoAsked(headers: AwsCall['headers']): string[] {
  return [
    ...(headers['x-amz-object-lock-mode'] === undefined ? [] : ['s3:PutObjectRetention']),
    ...(headers['x-amz-object-lock-legal-hold'] === undefined ? [] : ['s3:PutObjectLegalHold']),
    ...(headers['x-amz-tagging'] === undefined ? [] : ['s3:PutObjectTagging']),
  ];
}

/** Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets". */
function contextOf({ method, headers, url: { searchParams } }: AwsCall): Record<string, string> {
  const condition = headers['if-none-match'];
  const isPart = searchParams.has('partNumber') || searchParams.has('uploads');
  const writes = method === 'PUT' || method === 'POST';
  return {
    ...(condition !== undefined && { 's3:if-none-match': condition }),
    ...(writes && { 's3:objectcreationoperation': String(!isPart) }),
  };
}
