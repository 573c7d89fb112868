import * as z from 'zod';
import {
  formatControlPlaneName,
  isControlPlaneName,
  parseControlPlaneName,
  PLATFORMS,
  type ControlPlaneName,
  type PlatformName,
} from './control-plane.ts';

/** Why a recovery point was taken. */
const RECOVERY_POINT_REASONS = ['scheduled', 'on-demand', 'safety', 'final', 'imported'] as const;

/** What is known about a recovery point, weakest first. */
export const PROOF_KINDS = ['stream', 'structure', 'live', 'rehearsal'] as const;

/** What the identity's proof says where those of a datastore have its name. */
export const IDENTITY = 'identity';

const revision = z.int().nonnegative();
const byteCount = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const instant = z.iso.datetime();
const crc32 = z.int().min(0).max(0xffffffff);

/**
 * One proof, as it stands in `proofs/<kind>-<time>.json` and, for those taken with the point, in its manifest.
 * `refused`: the bytes are not what they must be. `inconclusive`: it could not be decided, and `detail` says why.
 */
export const proofSchema = z.strictObject({
  kind: z.enum(PROOF_KINDS),
  result: z.enum(['passed', 'refused', 'inconclusive']),
  takenAt: instant,
  datastore: z.string(),
  detail: z.string(),
});
export type Proof = z.infer<typeof proofSchema>;

const keyspaceHashSchema = z.strictObject({ hash: crc32, revision, compactRevision: z.int().min(-1) });

/** One etcd of a recovery point. Counts, revisions and members are read from the stored file, not from a status reply. */
const etcdEntrySchema = z.strictObject({
  name: z.string(),
  kind: z.literal('etcd'),
  file: z.string(),
  /** Version of the server that streamed the snapshot, e.g. `3.6.5`. */
  version: z.string(),
  storageVersion: z.string(),
  clusterVersion: z.string().nullable(),
  clusterId: z.string(),
  memberId: z.string(),
  memberPod: z.string(),
  /** Why this member was asked, and what was wrong with those that were passed over. */
  memberChoice: z.array(z.string()),
  members: z
    .array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        peerUrls: z.array(z.string()).readonly(),
        clientUrls: z.array(z.string()).readonly(),
        learner: z.boolean(),
      }),
    )
    .readonly(),
  removedMembers: z.array(z.string()).readonly(),
  revision,
  compactRevision: z.int().min(-1),
  /** Of the file that `lifeboat export` writes: database and 32-byte trailer. */
  sizeBytes: byteCount,
  pageSizeBytes: byteCount,
  /** Of the compressed object in the store. */
  storedBytes: byteCount,
  /** Over the exported file, so that `sha256sum` of it prints the same. */
  sha256,
  /** Over the database alone: the value in etcd's own trailer. */
  trailerSha256: sha256,
  /** CRC-32C as `etcdutl snapshot status` computes it. */
  statusHash: crc32,
  /** As `etcdutl hashkv` and a live member's HashKV compute it. */
  keyspaceHash: keyspaceHashSchema,
  keys: z.int().nonnegative(),
  keysByResource: z.record(z.string(), z.int()),
  prefix: z.string().nullable(),
  leases: z.int().nonnegative(),
  encryption: z
    .array(z.strictObject({ provider: z.string(), key: z.string(), keyId: z.string().optional(), values: z.int() }))
    .readonly(),
  warnings: z.array(z.string()),
  /** Revisions a second since the previous recovery point, never across a restore; null: not known. Sizes a restore's revision bump. */
  writesPerSecond: z.number().nonnegative().nullable(),
});
export type EtcdEntry = z.infer<typeof etcdEntrySchema>;

/** The Kubernetes objects without which the data is useless. */
const identityEntrySchema = z.strictObject({
  file: z.string(),
  sizeBytes: byteCount,
  storedBytes: byteCount,
  /** Over the unpacked object, like a datastore's. */
  sha256,
  /** `<kind> <namespace>/<name>` of every object, so that a person sees what is in it without unpacking Secrets. */
  objects: z.array(z.string()).min(1),
  /** It was read back when it was taken. Left out by points of before that was done: their datastores alone decide on them. */
  readBack: z.literal(true).optional(),
});

/** Of every kind of datastore what its driver recorded. */
const datastoreEntrySchema = z.discriminatedUnion('kind', [etcdEntrySchema]);
export type ManifestDatastore = z.infer<typeof datastoreEntrySchema>;

/** What the entry of every kind says of the object in the store. */
export type StoredSnapshot = Pick<ManifestDatastore, 'name' | 'file' | 'sizeBytes' | 'storedBytes' | 'sha256'>;

/** `manifest.json`: written last, never rewritten; its presence makes the recovery point exist. */
export const manifestSchema = z.strictObject({
  /**
   * Raised with every change that an older reader would misread; old versions stay readable. Version 1 knew etcd alone, and its
   * entries read as they stand; since version 2 there may be others beside them.
   */
  manifestVersion: z.literal([1, 2]).transform((): 2 => 2),
  id: z.string(),
  controlPlane: z.string(),
  controlPlaneUid: z.string(),
  platform: z.enum(PLATFORMS),
  reason: z.enum(RECOVERY_POINT_REASONS),
  policy: z.string().nullable(),
  /** The operation that took it, e.g. a run of a policy; null when a person did. */
  operation: z.string().nullable(),
  takenAt: instant,
  toolVersion: z.string(),
  /** Version of the management cluster's API server. */
  managementKubernetesVersion: z.string(),
  /** Version of the hosted control plane as its platform reports it; null while it reports none. */
  controlPlaneVersion: z.string().nullable(),
  datastores: z.array(datastoreEntrySchema).min(1),
  identity: identityEntrySchema,
  proofs: z.array(proofSchema).min(1),
  phases: z.array(z.strictObject({ name: z.string(), milliseconds: z.int().nonnegative() })),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type RecoveryPointReason = Manifest['reason'];

/** What needs a `structure` proof before the recovery point counts as verified: its datastores, and its identity. */
export function provenParts({ datastores, identity }: Pick<Manifest, 'datastores' | 'identity'>): string[] {
  return [...datastores.map(({ name }) => name), ...(identity.readBack === true ? [IDENTITY] : [])];
}

/** Where one recovery point lives in the store. */
export interface RecoveryPointAddress {
  readonly platform: PlatformName;
  readonly controlPlane: ControlPlaneName;
  readonly id: string;
}

const ROOT = 'recovery-points/';
const ID = /^\d{8}T\d{6}Z-[a-z0-9]{4}$/;
const MANIFEST_KEY = /^recovery-points\/([^/]+)\/([^/]+\/[^/]+\/[^/]+)\/([^/]+)\/manifest\.json$/;

/** UTC time to the second and four random characters: ids sort by time. */
export function recoveryPointId(takenAt: Date, random: () => number): string {
  const time = takenAt.toISOString().replace(/[-:]|\.\d+/g, '');
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
  const suffix = Array.from({ length: 4 }, () => alphabet[Math.floor(random() * alphabet.length)] ?? '0').join('');
  return `${time}-${suffix}`;
}

/** The time that an id carries, to the second. */
export function timeOfRecoveryPoint(id: string): Date {
  return new Date(id.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ).*$/, '$1-$2-$3:$4:$5'));
}

/** The prefix of everything that belongs to one recovery point, ending in a slash. */
export function recoveryPointPrefix(address: RecoveryPointAddress): string {
  return `${ROOT}${address.platform}/${formatControlPlaneName(address.controlPlane)}/${address.id}/`;
}

/** Key of the manifest of a recovery point. */
export function manifestKey(address: RecoveryPointAddress): string {
  return `${recoveryPointPrefix(address)}manifest.json`;
}

/** Key under which a proof is appended; `nonce` keeps those of one kind and millisecond apart, whoever takes them. */
export function proofKey(address: RecoveryPointAddress, proof: Proof, nonce: string): string {
  const time = proof.takenAt.replace(/[-:]/g, '');
  return `${recoveryPointPrefix(address)}proofs/${proof.kind}-${proof.datastore}-${time}-${nonce}.json`;
}

/** Key of the mark that keeps a point from retention. */
export function pinKey(address: RecoveryPointAddress): string {
  return `${recoveryPointPrefix(address)}pin.json`;
}

/** The prefix under which all recovery points, or those of one platform, are listed. */
export function recoveryPointsRoot(platform?: PlatformName): string {
  return platform === undefined ? ROOT : `${ROOT}${platform}/`;
}

/** The address that a manifest's key stands for; undefined for every other key. */
export function addressOfManifestKey(key: string): RecoveryPointAddress | undefined {
  const [, platform, controlPlane, id] = MANIFEST_KEY.exec(key) ?? [];
  const known = PLATFORMS.find((name) => name === platform);
  if (known === undefined || controlPlane === undefined || id === undefined) return undefined;
  if (!isControlPlaneName(controlPlane) || !ID.test(id)) return undefined;
  return { platform: known, controlPlane: parseControlPlaneName(controlPlane), id };
}

/** Whether the text has the form of a recovery point's id. */
export function isRecoveryPointId(text: string): boolean {
  return ID.test(text);
}
