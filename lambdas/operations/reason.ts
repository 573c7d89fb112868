import * as z from 'zod';

const lambdaErrorSchema = z.object({ errorMessage: z.string() });

/** The text of an error that a machine caught: out of Lambda's own JSON around it, or as it is where a machine runs without Lambda. */
export function readReason(cause: string): string {
  try {
    return lambdaErrorSchema.parse(JSON.parse(cause)).errorMessage;
  } catch {
    return cause;
  }
}
