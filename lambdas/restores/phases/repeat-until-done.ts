import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { GateError } from '../../domain/errors.ts';
import { stepTimesSchema, type attemptedSchema, type Direction, type LockedRestore } from '../../domain/restore.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { changeJson } from '../../store/stored-json.ts';
import { PARTS, STEPS, type Awaited } from '../../../statemachines/restore-control-plane/steps.ts';
import { doneName, stepName, waitingName, waitingSchema } from '../records.ts';

const LOOK_MILLISECONDS = 250;
/** One call looks for so long before the machine waits; most steps are over sooner. */
const PATIENCE_MILLISECONDS = 20_000;
/** A step that nobody has called for so long was given up, e.g. with the process that ran it; its time begins anew. */
const ABANDONED_MILLISECONDS = 120_000;

type StepName = Parameters<typeof waitingName>[0];

/** A part of a restore that is worked for until it is so. */
export interface Goal {
  readonly step: Awaited;
  readonly direction: Direction;
  /** What a person should do when it is not so in time. */
  readonly remedy: string;
}

/**
 * Works for a goal: `attempt` does what is still to be done and says what it waits for, or undefined when all is as it must
 * be; it is told for how many seconds the goal is worked for, and repeated, so it must bear that. It changes nothing but by what
 * {@link openRestore} gives. GateError when the goal's time is over.
 */
export async function repeatUntilDone(
  item: LockedRestore,
  { step, direction, remedy }: Goal,
  ports: ClusterRunPorts,
  attempt: (workedSeconds: number) => Promise<string | undefined>,
): Promise<z.infer<typeof attemptedSchema>> {
  const name = stepName(step, direction);
  const { limitSeconds } = { ...STEPS, ...PARTS }[step];
  const since = await noteWaiting(item.operation, name, ports);
  const patience = ports.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    ports.signal.throwIfAborted();
    const waitsFor = await attempt((ports.clock().getTime() - since.getTime()) / 1000);
    const at = ports.clock();
    if (waitsFor === undefined) {
      const startedAt = since.toISOString();
      await ports.journal.record(item.operation, doneName(name), stepTimesSchema, {
        startedAt,
        doneAt: at.toISOString(),
      });
      ports.report({
        kind: 'phase-finished',
        phase: name,
        milliseconds: at.getTime() - since.getTime(),
        outcome: 'done',
      });
      return { done: true };
    }
    ports.report({ kind: 'waiting', phase: name, text: waitsFor });
    if (at.getTime() > since.getTime() + limitSeconds * 1000) {
      throw new GateError(`${step} of ${item.controlPlane} is not done after ${limitSeconds} s: ${waitsFor}`, {
        remedy,
      });
    }
    if (ports.now() > patience) {
      await keepWaiting(item.operation, name, since, ports);
      return { done: false };
    }
    await delay(LOOK_MILLISECONDS, undefined, { signal: ports.signal });
  }
}

/** A look may have lasted longer than the time after which a step counts as given up: its time goes on all the same. */
async function keepWaiting(
  operation: string,
  name: StepName,
  since: Date,
  { store, journal, clock }: ClusterRunPorts,
): Promise<void> {
  const waiting = { since: since.toISOString(), lastAt: clock().toISOString() };
  await changeJson(store, journal.key(operation, waitingName(name)), waitingSchema, () => waiting);
}

/** Since when the step is worked at without a break. */
async function noteWaiting(
  operation: string,
  name: StepName,
  { store, journal, clock }: ClusterRunPorts,
): Promise<Date> {
  const key = journal.key(operation, waitingName(name));
  const { since } = await changeJson(store, key, waitingSchema, (present) => {
    const lastAt = clock().toISOString();
    const goesOn = present !== undefined && Date.parse(lastAt) - Date.parse(present.lastAt) < ABANDONED_MILLISECONDS;
    return { since: goesOn ? present.since : lastAt, lastAt };
  });
  return new Date(since);
}
