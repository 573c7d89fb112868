import * as z from 'zod';

/**
 * S3's `Object Created` as EventBridge delivers it, as far as it is used; keys are not URL-encoded in it.
 * Source: Amazon S3 User Guide, "EventBridge event message structure".
 */
export const objectCreatedSchema = z.object({
  source: z.literal('aws.s3'),
  'detail-type': z.literal('Object Created'),
  detail: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({ key: z.string() }),
  }),
});
export type ObjectCreated = z.infer<typeof objectCreatedSchema>;

/** What became of a recovery point that arrived in the store, or why it was none of ours. */
export const arrivalSchema = z.union([
  z.strictObject({ verdict: z.enum(['verified', 'stored', 'refused', 'unreadable']), id: z.string() }),
  z.strictObject({ ignored: z.string() }),
]);
export type Arrival = z.infer<typeof arrivalSchema>;
