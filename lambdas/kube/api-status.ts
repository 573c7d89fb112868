import * as z from 'zod';
import { parseJson } from './json.ts';

const statusSchema = z.looseObject({
  kind: z.literal('Status'),
  reason: z.string().default(''),
  message: z.string().default(''),
  details: z
    .looseObject({
      causes: z.array(z.looseObject({ reason: z.string().default(''), field: z.string().default('') })).default([]),
    })
    .default({ causes: [] }),
});

/** The API server's own word on a call that it did not carry out. Its message may repeat what was sent. */
export type ApiStatus = z.infer<typeof statusSchema>;

/** undefined when something else has answered, e.g. a proxy that does not know the way. */
export function readApiStatus(body: string): ApiStatus | undefined {
  return statusSchema.safeParse(parseJson(body)).data;
}
