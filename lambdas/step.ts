import * as z from 'zod';
import { ConfigurationError } from './domain/errors.ts';

/**
 * One step of a machine: it checks what it is given, works, and answers what the next step accepts. The schemas are there
 * for the test that walks the machine's file.
 */
export interface Step<Input, Output, Ports> {
  readonly input: z.ZodType<Input>;
  readonly output: z.ZodType<Output>;
  /** ConfigurationError when the input is not what `input` says, else the errors of the work. */
  run(event: unknown, ports: Ports): Promise<Output>;
}

/** Makes a step of a function. */
export function defineStep<Input, Output, Ports>(
  input: z.ZodType<Input>,
  output: z.ZodType<Output>,
  work: (input: Input, ports: Ports) => Promise<Output>,
): Step<Input, Output, Ports> {
  return {
    input,
    output,
    async run(event, ports) {
      const parsed = input.safeParse(event);
      if (parsed.success) return await work(parsed.data, ports);
      throw new ConfigurationError(`the input is not what this step takes: ${z.prettifyError(parsed.error)}`, {
        remedy: "Compare it with the examples in the machine's folder.",
      });
    },
  };
}
