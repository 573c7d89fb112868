import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import { partInputSchema } from '../../lambdas/domain/policy-run.ts';
import { restoreStartSchema } from '../../lambdas/domain/restore.ts';
import type { Step } from '../../lambdas/step.ts';
import { tasksOf, type Asl } from './asl.ts';

export type AnyStep = Step<unknown, unknown, never>;
export type AnySteps = Readonly<Record<string, AnyStep>>;

/** What each machine is started with. */
export const MACHINE_INPUTS: Readonly<Record<string, z.ZodType>> = {
  'back-up-fleet': partInputSchema,
  'restore-control-plane': restoreStartSchema,
};

const HANDLERS = join(import.meta.dirname, '..', '..', 'lambdas', 'handlers');

/** Functions under `lambdas/handlers` by their names: `take-snapshot.ts` is `TakeSnapshot`. */
export const FUNCTION_NAMES: readonly string[] = readdirSync(HANDLERS)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, '').replaceAll(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase()));

/** The steps of all functions that a machine calls. */
export async function loadSteps(machine: Asl): Promise<AnySteps> {
  const names = new Set(tasksOf(machine).map(({ functionName }) => functionName));
  return Object.fromEntries(await Promise.all([...names].map(async (name) => [name, await loadStep(name)] as const)));
}

/** The step of one function; throws when its handler exports none. */
async function loadStep(functionName: string): Promise<AnyStep> {
  const file = functionName.replaceAll(/(?!^)[A-Z]/g, '-$&').toLowerCase();
  const handler = (await import(join(HANDLERS, `${file}.ts`))) as Readonly<Record<string, unknown>>;
  const name = `${functionName.charAt(0).toLowerCase()}${functionName.slice(1)}Step`;
  if (handler[name] === undefined) throw new Error(`lambdas/handlers/${file}.ts exports no ${name}`);
  return handler[name] as AnyStep;
}

/** The step of a function among those that were loaded. */
export function stepNamed(steps: AnySteps, functionName: string): AnyStep {
  const step = steps[functionName];
  if (step === undefined) throw new Error(`the step of ${functionName} was not loaded`);
  return step;
}
