/**
 * Runs or resumes a restore by the machine's file as the command line does, with a fault at one delivery of one step:
 * `node restore-process.ts <control plane> <operation> <point> <fault as JSON>`, or with `abandon` in place of the point, closes it. Prints the ending as one JSON document.
 */
import { RESTORE_STEPS } from '../../bin/local/restore-machine.ts';
import { loadConfiguration } from '../../bin/local/configuration-file.ts';
import { loadMachine, runMachine, type Steps } from '../../bin/local/machine.ts';
import { openPorts, type Ports } from '../../bin/local/ports.ts';
import { CorruptSnapshotError, TunnelError } from '../../lambdas/domain/errors.ts';
import { lockedRestoreSchema, restoreResultSchema } from '../../lambdas/domain/restore.ts';
import type { Combination } from './combinations.ts';
import { workFromOtherStore } from './other-store.ts';

const PAUSE_MILLISECONDS = 300;
/** A step that runs out of time has begun by then, and most are not done. */
const CUT_MILLISECONDS = 400;
const IMAGE_FROM_NOWHERE = 'lifeboat.invalid/nowhere:1';

const [controlPlane = '', operation = '', point = '', planned = 'null'] = process.argv.slice(2);
const combination = JSON.parse(planned) as Combination | null;
let isDue = combination !== null;
let endOtherStore: () => Promise<void> = () => Promise.resolve();

const ports = await openPorts(
  loadConfiguration(undefined, process.cwd()),
  () => undefined,
  new AbortController().signal,
  'restore',
);
const readResult = () => ports.journal.read(operation, 'result', restoreResultSchema);
let error: unknown;
try {
  // As `--resume`: what has a result is not begun again.
  if ((await readResult()) === undefined) {
    await runMachine<Ports>(
      loadMachine('restore-control-plane'),
      point === 'abandon' ? { abandon: operation } : { operation, controlPlane, point },
      faulty(RESTORE_STEPS),
      (_, signal) => ({ ...ports, signal }),
      { pauseMilliseconds: PAUSE_MILLISECONDS },
    );
  }
} catch (failure) {
  error = failure;
}
const result = await readResult();
await endOtherStore();
ports.close();
process.stdout.write(
  `${JSON.stringify({ occurred: combination === null || !isDue, result: result ?? null, error: error instanceof Error ? `${error.name}: ${error.message}` : null })}\n`,
);
process.exit(0);

function faulty(steps: Steps<Ports>): Steps<Ports> {
  return Object.fromEntries(
    Object.entries(steps).map(([name, step]) => [
      name,
      {
        run: async (event: unknown, stepPorts: Ports) => {
          if (isForcedBack(name, event)) throw new CorruptSnapshotError('made up, so that there is a way back');
          if (!isMeant(name, event)) return await step.run(event, stepPorts);
          if (combination?.fault === 'another store at work') {
            endOtherStore = await workFromOtherStore(lockedRestoreSchema.parse(event), stepPorts);
          }
          return await deliver((changed) => step.run(event, { ...stepPorts, ...changed }));
        },
      },
    ]),
  );
}

/** A fault on the way back needs a way back: the last step before the commit fails. */
function isForcedBack(name: string, event: unknown): boolean {
  return combination?.direction === 'back' && name === 'StartControlPlane' && directionOf(event) === 'forward';
}

function isMeant(name: string, event: unknown): boolean {
  return isDue && name === combination?.step && (directionOf(event) ?? 'forward') === combination.direction;
}

function directionOf(event: unknown): string | undefined {
  return (event as { direction?: string }).direction;
}

async function deliver(run: (changed?: Partial<Ports>) => Promise<unknown>): Promise<unknown> {
  isDue = false;
  switch (combination?.fault) {
    case 'passing error before':
      throw new TunnelError('made up, before the effect');
    case 'passing error after':
      await untilDone(run);
      throw new TunnelError('made up, after the effect');
    case 'final error before':
      throw new CorruptSnapshotError('made up, before the effect');
    case 'final error after':
      await untilDone(run);
      throw new CorruptSnapshotError('made up, after the effect');
    case 'timeout':
      await run({ signal: AbortSignal.timeout(CUT_MILLISECONDS) }).catch(() => undefined);
      throw Object.assign(new Error('made up, in the middle'), { name: 'States.Timeout' });
    case 'pods that can not begin':
      await untilDone(() => run({ configuration: withHelperImage(IMAGE_FROM_NOWHERE) }));
      throw new Error('its pods have begun');
    case 'duplicate delivery':
      await untilDone(run);
      return await run();
    case 'killed before':
      process.kill(process.pid, 'SIGKILL');
      return await run();
    case 'killed after':
    case 'killed after, abandoned':
    case 'killed after, a day later':
      await untilDone(run);
      process.kill(process.pid, 'SIGKILL');
      return undefined;
    default:
      return await run();
  }
}

function withHelperImage(helperImage: string): Ports['configuration'] {
  const { configuration } = ports;
  return { ...configuration, restore: { ...configuration.restore, helperImage } };
}

/** The effect is there when the step says so; it may have to be asked more than once. */
async function untilDone(run: () => Promise<unknown>): Promise<void> {
  for (let calls = 0; calls < 100; calls += 1) {
    const answer = (await run()) as { done?: boolean } | null;
    if (answer?.done !== false) return;
  }
  throw new Error('a step does not become done');
}
