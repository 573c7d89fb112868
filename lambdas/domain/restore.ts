import { createHash } from 'node:crypto';
import * as z from 'zod';
import { PLATFORMS } from './control-plane.ts';
import { keyspaceDifferenceSchema, keySampleSchema } from './keyspace-difference.ts';
import { lockedSchema } from './operation.ts';
import { VERDICTS } from './verdict.ts';
import { restoreTargetSchema } from './restore-target.ts';

/**
 * What passes between the steps of `restore-control-plane`: references, never data. What the steps know beside it lies in the
 * operation's plan and journal.
 */

/** Part of the names of pods, which Kubernetes allows 63 characters for. */
const LONGEST_OPERATION = 36;
const operationId = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,34}[a-z0-9])?$/, 'use up to 36 lower-case letters, digits and "-"');

/** The newest verified recovery point of the control plane, whichever it is when the restore is planned. */
export const LATEST_VERIFIED = 'latest-verified';

/** How a restore is started. */
export const restoreRequestSchema = z.object({
  operation: operationId,
  controlPlane: z.string(),
  /** An id, `latest-verified`, or a time: the newest verified one at or before it. */
  point: z.string(),
  /** Lets in a point of a control plane that was there before under the same name, whose uid is another. */
  acceptOtherUid: z.boolean().optional(),
});
export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

/** How a restore that has not ended is closed for ever. */
export const abandonRequestSchema = z.strictObject({ abandon: operationId });

/** What the machine is started with: a restore, or the end of one. */
export const startRequestSchema = z.union([restoreRequestSchema, abandonRequestSchema]);
export type StartRequest = z.infer<typeof startRequestSchema>;

/** What a restore is of. */
const subjectSchema = z.object({
  operation: operationId,
  controlPlane: z.string(),
  platform: z.enum(PLATFORMS),
  point: z.string(),
});

/** How an execution is started; its own name is that of the operation unless another is given. */
export const restoreStartSchema = z.union([restoreRequestSchema.partial({ operation: true }), abandonRequestSchema]);

/** What the first step of the machine is given: how it was started, and the execution's name. */
export const startedRestoreSchema = z.object({ execution: z.string(), request: restoreStartSchema });

/** The request of an execution that was started so. Another delivery, and a redrive, gets the same operation. */
export function requestOf({ execution, request }: z.infer<typeof startedRestoreSchema>): StartRequest {
  if ('abandon' in request) return request;
  return { ...request, operation: request.operation ?? operationOfExecution(execution) };
}

/** Lower-case hexadecimal digits of a hash that keep names apart that are alike otherwise. */
const HASH_DIGITS = 10;

/** An execution's name where it can be that of an operation, as a UUID can; else what is left of it, with a hash. */
function operationOfExecution(execution: string): string {
  if (operationId.safeParse(execution).success) return execution;
  const hash = createHash('sha256').update(execution).digest('hex').slice(0, HASH_DIGITS);
  const readable = execution
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, LONGEST_OPERATION - HASH_DIGITS - 1);
  return readable === '' ? hash : `${readable.replace(/-$/, '')}-${hash}`;
}

/** A restore that is planned, and by which plan: every step reads it from the store, and does nothing by another one. */
export const restoreSchema = subjectSchema.extend({ planSha256: z.string().regex(/^[0-9a-f]{64}$/) });
export type Restore = z.infer<typeof restoreSchema>;

/**
 * Which way a restore goes from its plan. `forward`: to the recovery point. The others are of one that is abandoned. `back`: the
 * old data are put back. `start`: the data were not exchanged; what was ended is started. `leave`: everything stands as it is, and
 * only what is the restore's own is taken away.
 */
export const WAYS = ['forward', 'back', 'start', 'leave'] as const;

/** The same with its way, and whether an earlier run had begun its fence. */
export const plannedRestoreSchema = restoreSchema.extend({
  way: z.enum(WAYS),
  stage: z.enum(['unfenced', 'fenced']),
});
export type PlannedRestore = z.infer<typeof plannedRestoreSchema>;
export type Way = PlannedRestore['way'];

/** The same with the control plane's lock. */
export const lockedRestoreSchema = restoreSchema.extend({ lock: lockedSchema });
export type LockedRestore = z.infer<typeof lockedRestoreSchema>;

/** Forward to the recovery point's data, or back to those that were there. */
export const directedRestoreSchema = lockedRestoreSchema.extend({ direction: z.enum(['forward', 'back']) });
export type DirectedRestore = z.infer<typeof directedRestoreSchema>;
export type Direction = DirectedRestore['direction'];

/** Whether a step has reached what it works for; if not, the machine waits and asks again. */
export const attemptedSchema = z.object({ done: z.boolean() });

/** When a step was begun and done. */
export const stepTimesSchema = z.object({ startedAt: z.iso.datetime(), doneAt: z.iso.datetime() });

/** The safety recovery point, or why none could be taken. Only a verified and complete one stands in for the data that were replaced. */
export const safetyPointSchema = stepTimesSchema.extend({
  id: z.string().nullable(),
  reason: z.string().nullable(),
  verdict: z.enum(VERDICTS).nullable().default(null),
  /** Whether it holds all that was acknowledged: a member without a leader may lack the last writes. */
  isComplete: z.boolean().default(true),
});
export type SafetyPoint = z.infer<typeof safetyPointSchema>;

const datastorePlanSchema = z.strictObject({
  datastore: z.string(),
  /** Of the etcd that runs now and restores, e.g. `3.6.5`; where no member answers, of the one that the point was taken of. */
  etcdVersion: z.string(),
  /** What keeps members from serving as one cluster, a sentence each; none: all of them serve. */
  outages: z.array(z.string()),
  /** What Kubernetes' keys start with; null when there are none. */
  prefix: z.string().nullable(),
  revision: z.int(),
  sizeBytes: z.int(),
  sha256: z.string(),
  /** Unlike every token before, so that no old member can ever join. */
  clusterToken: z.string(),
  bump: z.int().positive(),
  bumpReason: z.string(),
  difference: keyspaceDifferenceSchema,
  /** Whether the live datastore took no writes for want of room when the restore was planned. */
  isLiveFull: z.boolean().optional(),
  /** Who the scripts of helper pods run as; absent: the image's own user, or the plan is of a former version. */
  helperUser: z.int().nonnegative().optional(),
  /** Keys whose values are compared once the restored etcd serves. */
  sample: z.array(keySampleSchema),
});
export type DatastorePlan = z.infer<typeof datastorePlanSchema>;

/** The ways to put data back. */
const STRATEGIES = ['swap-volumes'] as const;

/** `restores/<id>/plan.json`: what was found, and all that will be done. */
export const restorePlanSchema = subjectSchema.extend({
  kind: z.literal('restore'),
  /** As it was asked for; plans of former versions lack it. */
  request: restoreRequestSchema.optional(),
  plannedAt: z.iso.datetime(),
  pointTakenAt: z.iso.datetime(),
  /** How the data are put back; plans of former versions, which lack it, know one way. */
  strategy: z.enum(STRATEGIES).default('swap-volumes'),
  target: restoreTargetSchema,
  datastores: z.array(datastorePlanSchema).min(1),
  /** Secrets and ConfigMaps of the recovery point that are gone and are made again first, as `<kind> <namespace>/<name>`. */
  lostIdentity: z.array(z.string()),
  /** Of the pods that receive and move data; plans of former versions lack it. */
  helperImage: z.string().optional(),
  /** How long the API is expected to be away. */
  apiAwaySeconds: z.int().positive(),
  warnings: z.array(z.string()),
});
export type RestorePlan = z.infer<typeof restorePlanSchema>;

/**
 * How a restore has ended. `unfinished`: restored, but something of the operation is left. `stuck`: the way back failed as
 * well, and `state` says where everything stands. `abandoned`: closed by a person; `state` says how it was left.
 */
const OUTCOMES = ['restored', 'unfinished', 'not-begun', 'rolled-back', 'stuck', 'abandoned'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** How a restore has ended, in the words of people. */
export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  restored: 'restored',
  unfinished: 'restored, something left',
  'not-begun': 'failed, cleaned up',
  'rolled-back': 'rolled back',
  stuck: 'rollback failed',
  abandoned: 'abandoned',
};

/** What made it fail first, and in which state of the machine. */
const failureSchema = z.strictObject({ step: z.string(), error: z.string(), reason: z.string() });

const endingSchema = subjectSchema.extend({
  outcome: z.enum(OUTCOMES),
  failure: failureSchema.nullable(),
  failureOnTheWayBack: failureSchema.omit({ step: true }).nullable(),
});

/** What the machine tells of the end. */
export const restoreEndSchema = endingSchema.extend({ planSha256: restoreSchema.shape.planSha256 });

export type RestoreEnd = z.infer<typeof restoreEndSchema>;

/** `restores/<id>/result.json`. */
export const restoreResultSchema = endingSchema.extend({
  finishedAt: z.iso.datetime(),
  safetyPoint: z.string().nullable(),
  safetyVerdict: safetyPointSchema.shape.verdict,
  /** What it has left on purpose, a sentence each: data of before that no recovery point holds, objects that were gone. */
  left: z.array(z.string()),
  /** From the API servers' end to their first answer; null when they were not stopped or did not come back. */
  apiAwayMilliseconds: z.int().nonnegative().nullable(),
  phases: z.array(z.strictObject({ name: z.string(), milliseconds: z.int().nonnegative() })),
  /** What was removed because it was stale, and what else of the past the restored control plane holds. */
  stale: z.array(z.string()),
  /** What is not as it should be although the restore has ended, a sentence each. */
  warnings: z.array(z.string()).default([]),
  /** Where everything stands and what to do, for `stuck` and `abandoned`. */
  state: z.array(z.string()),
});
export type RestoreResult = z.infer<typeof restoreResultSchema>;
