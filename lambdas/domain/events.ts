import * as z from 'zod';
import { PLATFORMS } from './control-plane.ts';
import { countsSchema } from './policy-run.ts';
import { proofSchema } from './recovery-point.ts';

/** Raised with every change that a listener would misread. */
const EVENT_VERSION = 1;

const pointDetail = z.strictObject({
  version: z.literal(EVENT_VERSION),
  id: z.string(),
  controlPlane: z.string(),
  controlPlaneUid: z.string(),
  platform: z.enum(PLATFORMS),
  policy: z.string().nullable(),
  takenAt: z.iso.datetime(),
  /** Key of the manifest in the store. */
  manifestKey: z.string(),
  proofs: z.array(proofSchema),
});

/**
 * Every event that Lifeboat publishes, by its detail type: ids, keys and proofs, never payloads or secrets. An event may
 * arrive twice.
 */
export const EVENT_DETAILS = {
  /** A recovery point was read back from the store and holds what its manifest says. */
  RecoveryPointVerified: pointDetail,
  /** A recovery point must not be restored from. */
  RecoveryPointRefused: pointDetail,
  /** A run of a policy has ended. */
  PolicyRunFinished: z.strictObject({
    version: z.literal(EVENT_VERSION),
    runId: z.string(),
    policy: z.string(),
    slot: z.iso.datetime(),
    status: z.enum(['succeeded', 'partial', 'failed']),
    counts: countsSchema,
    unreachableManagementClusters: z.array(z.string()),
  }),
} as const;

export type EventType = keyof typeof EVENT_DETAILS;
export type EventDetail<T extends EventType> = z.infer<(typeof EVENT_DETAILS)[T]>;
export type LifeboatEvent = { [T in EventType]: { readonly type: T; readonly detail: EventDetail<T> } }[EventType];
