import * as z from 'zod';

const lambdaErrorSchema = z.object({ errorMessage: z.string() });

/** Names of errors that tell of a step's time alone, and no reason: those of Step Functions and of Lambda. */
const ENDS_OF_TIME = ['States.Timeout', 'Sandbox.Timedout'];

/** The text of an error that a machine caught: out of Lambda's own JSON around it, or as it is where a machine runs without Lambda. */
export function readReason(error: string, cause: string): string {
  if (ENDS_OF_TIME.includes(error)) {
    return 'the step had not ended when its time was over; its log says what it told last';
  }
  try {
    return lambdaErrorSchema.parse(JSON.parse(cause)).errorMessage;
  } catch {
    return cause;
  }
}
