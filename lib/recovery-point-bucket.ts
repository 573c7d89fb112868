import { Duration, Stack } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { Key, type IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  ObjectOwnership,
  type CfnBucket,
  type IBucket,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { acknowledge, permit } from './permissions.ts';
import { OUTLIVES_ITS_STACK } from './removal.ts';

/** The keys of the store by what lies there; whoever may read `points` reads every Secret of every control plane. */
export const KEYS = {
  points: 'recovery-points/*',
  manifests: 'recovery-points/*/manifest.json',
  proofs: 'recovery-points/*/proofs/*',
  pins: 'recovery-points/*/pin.json',
  /** Of runs of policies. */
  operations: 'operations/*',
  restores: 'restores/*',
  locks: 'locks/*',
  policies: 'policies/*',
  staging: 'staging/*',
} as const;
const POINTS_FOLDER = KEYS.points.replace('*', '');
type Keys = (typeof KEYS)[keyof typeof KEYS];

/** What a function may do with which keys of the store. */
export interface StoreAccess {
  readonly read?: readonly Keys[];
  /** Small objects, whole. */
  readonly write?: readonly Keys[];
  /** In parts, and with a retention lock. */
  readonly upload?: readonly Keys[];
  /** In parts, for a while. */
  readonly stage?: readonly Keys[];
  /** With all versions, and with what unfinished uploads have left. */
  readonly remove?: readonly Keys[];
}

type BucketOptions = Pick<Deployment, 'bucketName' | 'existingBucket' | 'kmsKeyArn'>;

const KEYS_ARE_MADE_LATER =
  'Keys below a prefix are made when the application runs; the prefix is as narrow as its work.';

/**
 * The store of recovery points: versions, Object Lock, a key, TLS only, nothing public, events to EventBridge. It outlives
 * the stack. A bucket that exists is taken as it is.
 */
export class RecoveryPointBucket extends Construct {
  readonly bucket: IBucket;
  readonly key: IKey | undefined;

  constructor(scope: Construct, id: string, { bucketName, existingBucket, kmsKeyArn }: BucketOptions) {
    super(scope, id);
    if (kmsKeyArn !== undefined) this.key = Key.fromKeyArn(this, 'Key', kmsKeyArn);
    if (existingBucket === undefined) {
      this.key ??= new Key(this, 'Key', {
        description: 'Encrypts the recovery points of Lifeboat; without it none can be restored',
        enableKeyRotation: true,
        removalPolicy: OUTLIVES_ITS_STACK,
      });
      const bucket = this.#createBucket(bucketName, this.key);
      this.bucket = bucket as IBucket;
      const noOverwriting = this.#noOverwriting();
      noOverwriting.addPrincipals(new AnyPrincipal());
      bucket.addToResourcePolicy(noOverwriting);
    } else {
      this.bucket = Bucket.fromBucketName(this, 'Bucket', existingBucket);
    }
  }

  /** As `LIFEBOAT_STORE` gives it. */
  get location(): string {
    return `s3://${this.bucket.bucketName}`;
  }

  /** Gives a role exactly this access, with the use of the key that it needs through S3. */
  grant(role: Role, { read = [], write = [], upload = [], stage = [], remove = [] }: StoreAccess): void {
    const { bucketArn } = this.bucket;
    const permitKeys = (keys: readonly string[], ...actions: string[]) => {
      if (keys.length === 0) return;
      const resources = keys.map((key) => this.bucket.arnForObjects(key));
      permit(role, { actions, resources, wildcardReason: KEYS_ARE_MADE_LATER });
    };
    permitKeys(read, 's3:GetObject');
    permitKeys(write, 's3:PutObject');
    const inParts = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'];
    permitKeys(upload, ...inParts, 's3:PutObjectRetention');
    permitKeys(stage, ...inParts);
    // In a bucket that was there before nobody else sees to it.
    if ([...write, ...upload].some((keys) => keys.startsWith(POINTS_FOLDER))) role.addToPolicy(this.#noOverwriting());
    permitKeys(
      remove,
      's3:DeleteObjectVersion',
      // S3 tells of locks only whoever may read them.
      's3:GetObjectRetention',
      's3:GetObjectLegalHold',
      's3:AbortMultipartUpload',
      's3:ListMultipartUploadParts',
    );
    if (read.length > 0) {
      // Without it S3 answers 403 for a key that does not exist. It looks for the permission without a prefix then, and
      // so does HeadBucket: only a listing of other prefixes can be refused.
      const conditions = { StringLikeIfExists: { 's3:prefix': foldersOf(read) } };
      permit(role, { actions: ['s3:ListBucket'], resources: [bucketArn], conditions });
    }
    if (remove.length > 0) {
      const conditions = { StringLike: { 's3:prefix': foldersOf(remove) } };
      permit(role, { actions: ['s3:ListBucketVersions'], resources: [bucketArn], conditions });
    }
    if (upload.length > 0 || stage.length > 0 || remove.length > 0) {
      permit(role, { actions: ['s3:ListBucketMultipartUploads'], resources: [bucketArn] });
    }
    // Completing a multipart upload decrypts its parts.
    const encrypts = write.length > 0 || upload.length > 0 || stage.length > 0;
    if (encrypts || read.length > 0)
      this.#grantKey(role, encrypts ? ['kms:GenerateDataKey', 'kms:Decrypt'] : ['kms:Decrypt']);
  }

  /**
   * What is below `recovery-points/` is written once: without it a writer could put something else in place of a snapshot. Parts of
   * an upload and its beginning carry no condition; what lets the object appear does
   * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html).
   */
  #noOverwriting(): PolicyStatement {
    return new PolicyStatement({
      sid: 'NobodyOverwritesARecoveryPoint',
      effect: Effect.DENY,
      actions: ['s3:PutObject'],
      resources: [this.bucket.arnForObjects(KEYS.points)],
      conditions: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
    });
  }

  #grantKey(role: Role, actions: readonly string[]): void {
    if (this.key === undefined) return;
    const { region, urlSuffix } = Stack.of(this);
    const conditions = { StringEquals: { 'kms:ViaService': `s3.${region}.${urlSuffix}` } };
    permit(role, { actions, resources: [this.key.keyArn], conditions });
  }

  #createBucket(bucketName: string | undefined, key: IKey): Bucket {
    const bucket = new Bucket(this, 'Bucket', {
      ...(bucketName !== undefined && { bucketName }),
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      versioned: true,
      objectLockEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: OUTLIVES_ITS_STACK,
      // A net below the application's own retention, which alone knows what the last good point is.
      lifecycleRules: [
        { id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        {
          id: 'deleted-and-overwritten',
          noncurrentVersionExpiration: Duration.days(7),
          expiredObjectDeleteMarker: true,
        },
        // Overwritten with every run; their former versions tell nothing.
        { id: 'locks', prefix: 'locks/', noncurrentVersionExpiration: Duration.days(1) },
        { id: 'policies', prefix: 'policies/', noncurrentVersionExpiration: Duration.days(1) },
        {
          id: 'staging',
          prefix: 'staging/',
          expiration: Duration.days(1),
          noncurrentVersionExpiration: Duration.days(1),
        },
      ],
    });
    // The Bucket's own way is a custom resource, whose function may change the notifications of every bucket.
    const notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
    (bucket.node.defaultChild as CfnBucket).notificationConfiguration = notificationConfiguration;
    bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: 'NobodyEndsALockEarly',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['s3:BypassGovernanceRetention'],
        resources: [bucket.arnForObjects('*')],
      }),
    );
    // Without it whoever may write could overwrite what is left, and end its locks.
    bucket.policy?.applyRemovalPolicy(OUTLIVES_ITS_STACK);
    acknowledge(
      bucket,
      'S1',
      'Who read or wrote an object is in the data events of CloudTrail, which the account turns on for all its buckets; a locked bucket cannot keep access logs.',
    );
    return bucket;
  }
}

/** What is listed to find the keys: `recovery-points/` and below for `recovery-points/<any>/manifest.json`. */
function foldersOf(keys: readonly string[]): string[] {
  return [...new Set(keys.map((key) => `${key.split('/', 1).join()}/*`))];
}
