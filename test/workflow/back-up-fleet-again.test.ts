import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runMachine, type Steps } from '../../bin/local/machine.ts';
import { parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { controlPlaneLock } from '../../lambdas/domain/operation.ts';
import { runId, runResultSchema, type RunInput } from '../../lambdas/domain/policy-run.ts';
import { putValues } from '../testbed/etcd-writes.ts';
import { SecureEtcd } from '../testbed/secure-etcd.ts';
import { parseAsl, tasksOf } from './asl.ts';
import { loadSteps, type AnySteps } from './machine-steps.ts';
import { plannedCluster, plannedNames, plannedPorts, type PlannedPorts } from './planned-fleet.ts';
import { stopped } from './stopped.ts';

jest.setTimeout(120_000);

const NAMES = ['one', 'two'];
const [FIRST = ''] = plannedNames(NAMES);
const BEFORE = { policy: 'nightly', slot: '2026-01-01T03:00:00Z' };
const INPUT = { policy: 'nightly', slot: '2026-01-02T03:00:00Z' };

const machine = parseAsl('back-up-fleet');
/** A run of two control planes has one part; those of more are in parts.test.ts. */
const tasks = tasksOf(machine).filter(({ functionName }) => functionName !== 'StartNextPart');

/** Changes how a step is delivered. */
type Delivery = (functionName: string, event: unknown, deliver: () => Promise<unknown>) => Promise<unknown>;

let steps: AnySteps;
let etcd: SecureEtcd;
let directory: string;
/** A store in which the slot before was backed up, so that retention has something to delete. */
let dayBefore: string;
let undisturbed: Awaited<ReturnType<typeof describeEnd>>;

beforeAll(async () => {
  steps = await loadSteps(machine);
  etcd = await SecureEtcd.start({ release: '3.6' });
  await putValues(etcd, 'etcd-0', { count: 20, value: () => Buffer.from('value') });
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-back-up-fleet-'));
  dayBefore = join(directory, 'day-before');
  await run(portsOn(dayBefore), BEFORE);
  const ports = await nextDay('undisturbed');
  await run(ports, INPUT);
  undisturbed = await describeEnd(ports);
});
afterAll(async () => {
  await etcd.stop();
  await rm(directory, { recursive: true });
});

function portsOn(store: string): PlannedPorts {
  return plannedPorts(store, plannedCluster(NAMES, etcd), new AbortController().signal);
}

/** Ports on a copy of the store as it was after the day before. */
async function nextDay(name: string): Promise<PlannedPorts> {
  const copy = join(directory, name);
  await cp(dayBefore, copy, { recursive: true, preserveTimestamps: true });
  return portsOn(copy);
}

/** Runs the machine with the real steps and waits for those as well that an end of the machine left behind. */
async function run(
  ports: PlannedPorts,
  input: RunInput,
  delivery: Delivery = (_, __, deliver) => deliver(),
): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  const delivered: Steps<PlannedPorts> = Object.fromEntries(
    Object.entries(steps).map(([functionName, step]) => [
      functionName,
      {
        run(event: unknown, stepPorts: PlannedPorts) {
          const work = delivery(functionName, event, () => step.run(event, stepPorts as never));
          underWay.push(work);
          return work;
        },
      },
    ]),
  );
  try {
    await runMachine(machine, input, delivered, () => ports, { pauseMilliseconds: 0 });
  } catch (error) {
    if (!(error instanceof Error && error.name === 'PolicyRunIncomplete')) throw error;
    const result = await ports.journal.read(runId(input), 'result', runResultSchema);
    throw new Error(`not everything was backed up: ${JSON.stringify(result)}`, { cause: error });
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** All that a run leaves behind, but for times and ids, which differ from run to run. */
async function describeEnd({ store, catalogue, journal, locks, published }: PlannedPorts) {
  const withoutIds = (text: string) =>
    text.replaceAll(/\d{8}T\d{6}Z-[a-z0-9]{4}/g, '<id>').replaceAll(/\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}/g, '<time>');
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(withoutIds(key));
  const result = await journal.read(runId(INPUT), 'result', runResultSchema);
  const points = [];
  const held = [];
  for (const name of plannedNames(NAMES)) {
    for await (const point of catalogue.points(parseControlPlaneName(name))) {
      points.push('manifest' in point ? [name, point.manifest.operation, point.verdict] : [name, point.error.message]);
    }
    held.push(await locks.read(controlPlaneLock(name)));
  }
  const events = published.map(({ type, detail }) =>
    withoutIds(`${type} ${'id' in detail ? detail.controlPlane : detail.status}`),
  );
  return {
    keys: keys.sort(),
    points,
    held,
    events: events.sort(),
    result: result && {
      status: result.status,
      outcomes: result.outcomes.map((outcome) => withoutIds(JSON.stringify(outcome))),
    },
  };
}

describe('back-up-fleet with its real steps', () => {
  it('leaves one verified recovery point of the run for each control plane, and no lock', () => {
    expect(undisturbed).toMatchObject({
      points: plannedNames(NAMES).map((name) => [name, runId(INPUT), 'verified']),
      held: [undefined, undefined],
      events: ['PolicyRunFinished succeeded', ...plannedNames(NAMES).map((name) => `RecoveryPointVerified ${name}`)],
      result: { status: 'succeeded' },
    });
  });

  it('gives nothing beyond what its steps declare', async () => {
    const ports = await nextDay('declared');
    await run(ports, INPUT, async (functionName, _, deliver) => {
      const given = await deliver();
      expect([functionName, steps[functionName]?.output.parse(given)]).toEqual([functionName, given]);
      return given;
    });
  });

  it('ends the same when every step is delivered twice, with the same answers', async () => {
    const ports = await nextDay('twice');
    const answers = new Map<string, (readonly [unknown, unknown])[]>();
    await run(ports, INPUT, async (functionName, _, deliver) => {
      const pair = [await deliver(), await deliver()] as const;
      answers.set(functionName, [...(answers.get(functionName) ?? []), pair]);
      return pair[1];
    });
    expect([...answers.keys()].sort()).toEqual(tasks.map(({ functionName }) => functionName).sort());
    for (const [functionName, pairs] of answers) {
      for (const [first, second] of pairs) {
        // What retention has deleted is gone when it comes again.
        const expected = functionName === 'ApplyRetention' ? { ...(first as object), deleted: 0 } : first;
        expect([functionName, second]).toEqual([functionName, expected]);
      }
    }
    expect(answers.get('ApplyRetention')?.map(([first]) => first)).toMatchObject([{ deleted: 1 }, { deleted: 1 }]);
    const { events, ...rest } = await describeEnd(ports);
    const { events: expectedEvents, ...expected } = undisturbed;
    expect(rest).toEqual(expected);
    // Events may come twice, as everything on a bus may; this one does when its step does.
    expect(events).toEqual(['PolicyRunFinished succeeded', ...expectedEvents]);
  });

  it('adds nothing when the whole run comes again', async () => {
    const ports = await nextDay('same-slot');
    await run(ports, INPUT);
    const points = (await describeEnd(ports)).points;
    await run(ports, INPUT);
    const { events, ...rest } = await describeEnd(ports);
    const { events: expectedEvents, ...expected } = undisturbed;
    expect({ ...rest, points }).toEqual(expected);
    expect(new Set(events)).toEqual(new Set(expectedEvents));
  });
});

describe.each(tasks)('back-up-fleet that was stopped at "$name"', ({ name, functionName }) => {
  it.each(['before its work', 'after its work'] as const)(
    '%s ends as if it had not been, when it runs again',
    async (when) => {
      const ports = await nextDay(`${functionName}-${when}`);
      let isStopped = false;
      const stopping: Delivery = async (called, event, deliver) => {
        const { controlPlane = FIRST } = event as { controlPlane?: string };
        if (called !== functionName || controlPlane !== FIRST) return await deliver();
        isStopped = true;
        if (when === 'after its work') await deliver();
        throw stopped();
      };
      await expect(run(ports, INPUT, stopping)).rejects.toThrow('the execution was stopped');
      expect([name, isStopped]).toEqual([name, true]);
      await run(ports, INPUT);
      const { events, ...rest } = await describeEnd(ports);
      const { events: expectedEvents, ...expected } = undisturbed;
      expect(rest).toEqual(expected);
      const isReported = functionName === 'ReportRun' && when === 'after its work';
      expect(events).toEqual([...(isReported ? ['PolicyRunFinished succeeded'] : []), ...expectedEvents]);
    },
  );
});
