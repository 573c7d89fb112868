import * as z from 'zod';
import { policyNamed } from '../domain/configuration.ts';
import { parseSlot, partName, runId, type NextPart, type RunInput } from '../domain/policy-run.ts';
import type { Executions } from '../aws/executions.ts';
import type { RunPorts } from '../operations/ports.ts';

export interface StartPorts extends Pick<RunPorts, 'configuration' | 'clock'> {
  readonly executions: Executions;
  readonly stateMachineArn: string;
}

export const startedSchema = z.object({ runId: z.string(), outcome: z.enum(['started', 'already-started']) });

/** Starts the run of a policy's slot; the same slot delivered twice is the same execution. */
export async function startPolicyRun(
  { policy, slot }: RunInput,
  { configuration, clock, executions, stateMachineArn }: StartPorts,
): Promise<z.infer<typeof startedSchema>> {
  policyNamed(configuration, policy);
  const input = { policy, slot: parseSlot(slot, clock()) };
  const name = runId(input);
  return { runId: name, outcome: await executions.start(stateMachineArn, name, input) };
}

export const startedPartSchema = z.object({ execution: z.string() });

/** Starts the next part of a run; however often it comes, one execution of its name goes on. */
export async function startNextPart(
  { policy, slot, firstPage }: NextPart,
  { executions, stateMachineArn }: Omit<StartPorts, 'configuration' | 'clock'>,
): Promise<z.infer<typeof startedPartSchema>> {
  const part = { policy, slot, firstPage };
  const execution = partName(part);
  await executions.start(stateMachineArn, execution, part);
  return { execution };
}
