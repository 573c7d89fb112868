import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runPolicy } from '../../bin/commands/run.ts';
import type { Steps } from '../../bin/local/machine.ts';
import { runParts, type PartPorts } from '../../bin/local/parts.ts';
import { EXIT } from '../../bin/output/exit-codes.ts';
import { NotFoundError } from '../../lambdas/domain/errors.ts';
import { CONTROL_PLANES_A_PAGE, PAGES_A_PART, runId, runResultSchema } from '../../lambdas/domain/policy-run.ts';
import { storedPlanSchema } from '../../lambdas/policy-runs/stored-plan.ts';
import { SecureEtcd } from '../testbed/secure-etcd.ts';
import { parseAsl } from './asl.ts';
import { loadSteps, stepNamed, type AnySteps } from './machine-steps.ts';
import { plannedCluster, plannedNames, plannedPorts, type PlannedPorts } from './planned-fleet.ts';
import { stopped } from './stopped.ts';

jest.setTimeout(120_000);

/** Two full parts and one control plane more. */
const NAMES = Array.from(
  { length: 2 * PAGES_A_PART * CONTROL_PLANES_A_PAGE + 1 },
  (_, index) => `tenant-${String(index).padStart(4, '0')}`,
);
const INPUT = { policy: 'nightly', slot: '2026-01-02T03:00:00Z' };
const RUN = { name: runId(INPUT), input: INPUT };
const SECOND_PART = { ...INPUT, firstPage: PAGES_A_PART };
const THIRD_PART = { ...INPUT, firstPage: 2 * PAGES_A_PART };

const machine = parseAsl('back-up-fleet');
/** The steps of a control plane, of which there are too many to back up; the others are the real ones. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  LockControlPlane: { token: 1 },
  TakeSnapshot: { id: '20260102T030001Z-a1b2' },
  VerifyRecoveryPoint: { verdict: 'verified' },
  ApplyRetention: { kept: 1, deleted: 0, deferred: 0, leftovers: { swept: 0, kept: 0, deferred: 0 } },
  ReleaseControlPlane: null,
};

type Ports = PlannedPorts & PartPorts;
type Delivery = (functionName: string, event: unknown, deliver: () => Promise<unknown>) => Promise<unknown>;

interface Fleet {
  readonly ports: PlannedPorts;
  /** What Plan the run was given and has answered, each time. */
  readonly plans: { readonly input: unknown; readonly pages: readonly number[]; readonly nextPage: number | null }[];
  /** How often the management cluster was reached. */
  readonly connections: () => number;
}

let steps: AnySteps;
let etcd: SecureEtcd;
let directory: string;

beforeAll(async () => {
  steps = await loadSteps(machine);
  etcd = await SecureEtcd.start({ release: '3.6' });
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-parts-'));
});
afterAll(async () => {
  await etcd.stop();
  await rm(directory, { recursive: true });
});

function fleet(name: string, names = NAMES): Fleet {
  const ports = plannedPorts(join(directory, name), plannedCluster(names, etcd), new AbortController().signal);
  let connections = 0;
  return {
    ports: {
      ...ports,
      connect(managementCluster) {
        connections += 1;
        return ports.connect(managementCluster);
      },
    },
    plans: [],
    connections: () => connections,
  };
}

/** Runs part after part with the local engine. */
async function run(
  { ports, plans }: Fleet,
  first: Parameters<typeof runParts>[1] = RUN,
  delivery: Delivery = (_, __, deliver) => deliver(),
): Promise<void> {
  const delivered = Object.keys(steps).map((functionName) => {
    const deliver = async (event: unknown, stepPorts: Ports) => {
      if (functionName in ANSWERS) return ANSWERS[functionName];
      const answer = await stepNamed(steps, functionName).run(event, stepPorts as never);
      if (functionName === 'PlanRun')
        plans.push({ input: event, ...(answer as Omit<Fleet['plans'][number], 'input'>) });
      return answer;
    };
    const step = {
      run: (event: unknown, stepPorts: Ports) => delivery(functionName, event, () => deliver(event, stepPorts)),
    };
    return [functionName, step] as const;
  });
  const allSteps: Steps<Ports> = Object.fromEntries(delivered);
  await runParts<PlannedPorts>(machine, first, allSteps, () => ports, { pauseMilliseconds: 0 });
}

async function resultOf({ ports }: Fleet) {
  const result = await ports.journal.read(RUN.name, 'result', runResultSchema);
  return result && { ...result, finishedAt: null };
}

/** The end that a run must come to, whatever has happened to it. */
const WHOLE = {
  ...INPUT,
  runId: RUN.name,
  finishedAt: null,
  status: 'succeeded',
  counts: { verified: NAMES.length, failed: 0, skipped: 0 },
  unreachable: [],
};

describe('lifeboat run', () => {
  it('works through every part, and shows all control planes', async () => {
    const { ports } = fleet('command', []);
    // They are gone since they were planned: a failure of each is quicker than its backup.
    const gone = plannedNames(NAMES).slice(0, PAGES_A_PART * CONTROL_PLANES_A_PAGE + 1);
    await ports.journal.record(RUN.name, 'plan', storedPlanSchema, {
      ...INPUT,
      runId: RUN.name,
      controlPlanes: gone.map((controlPlane) => ({ controlPlane, platform: 'hypershift' as const })),
      unreachable: [],
      credentials: [],
      served: [],
      unserved: [],
      missing: [],
      unreached: [],
    });
    const unused = {
      managementClusters: [],
      findPoint: () => Promise.reject(new Error('no run looks for a point')),
      close: () => undefined,
    };
    const { text, exitCode } = await runPolicy({ ...ports, ...unused }, INPUT.policy, { slot: INPUT.slot });
    const [, ...lines] = text.split('\n');
    // A row that is too long for a terminal goes on in lines that begin with a space.
    expect(lines.filter((line) => /^\S/.test(line)).map((line) => line.split(/\s+/, 2))).toEqual([
      ...gone.map((controlPlane) => [controlPlane, 'failed']),
      ['run', RUN.name],
    ]);
    expect(exitCode).toBe(EXIT.wrong);
  });
});

describe(`a run over ${NAMES.length} control planes`, () => {
  it('goes on in executions of its own until every control plane is backed up, by one plan and with one report', async () => {
    const subject = fleet('undisturbed');
    const connections: number[] = [];
    await run(subject, RUN, async (functionName, _, deliver) => {
      const answer = await deliver();
      if (functionName === 'PlanRun') connections.push(subject.connections());
      return answer;
    });
    const planned = subject.plans.map(({ input, pages, nextPage }) => ({ input, pages: pages.length, nextPage }));
    expect(planned).toEqual([
      { input: INPUT, pages: PAGES_A_PART, nextPage: PAGES_A_PART },
      { input: SECOND_PART, pages: PAGES_A_PART, nextPage: 2 * PAGES_A_PART },
      { input: THIRD_PART, pages: 1, nextPage: null },
    ]);
    // Only the first part asks the management clusters.
    expect(connections[0]).toBeGreaterThan(0);
    expect(new Set(connections).size).toBe(1);
    expect(subject.plans.flatMap(({ pages }) => pages)).toEqual(
      Array.from({ length: 2 * PAGES_A_PART + 1 }, (_, page) => page),
    );
    const result = await resultOf(subject);
    expect(result).toMatchObject(WHOLE);
    expect(result?.outcomes.map(({ controlPlane }) => controlPlane)).toEqual(plannedNames(NAMES));
    expect(subject.ports.published.map(({ type }) => type)).toEqual(['PolicyRunFinished']);
  });

  it('is the same when every start of a part is delivered twice', async () => {
    const subject = fleet('twice');
    const answers: (readonly [unknown, unknown])[] = [];
    await run(subject, RUN, async (functionName, _, deliver) => {
      if (functionName !== 'StartNextPart') return await deliver();
      const pair = [await deliver(), await deliver()] as const;
      answers.push(pair);
      return pair[1];
    });
    expect(answers).toEqual([
      [{ execution: `${RUN.name}-12` }, { execution: `${RUN.name}-12` }],
      [{ execution: `${RUN.name}-24` }, { execution: `${RUN.name}-24` }],
    ]);
    expect(subject.plans).toHaveLength(3);
    expect(await resultOf(subject)).toMatchObject(WHOLE);
    expect(subject.ports.published).toHaveLength(1);
  });

  it.each(['before', 'after'] as const)(
    'that was stopped %s it started its next part ends as if it had not been, when it runs again',
    async (when) => {
      const subject = fleet(`stopped-${when}`);
      const stopping: Delivery = async (functionName, _, deliver) => {
        if (functionName !== 'StartNextPart') return await deliver();
        if (when === 'after') await deliver();
        throw stopped();
      };
      await expect(run(subject, RUN, stopping)).rejects.toThrow('the execution was stopped');
      expect(subject.plans).toHaveLength(1);
      expect(await resultOf(subject)).toBeUndefined();
      await run(subject);
      expect(await resultOf(subject)).toMatchObject(WHOLE);
      expect(subject.ports.published).toHaveLength(1);
    },
  );

  it('that fails in a later part goes on with that part alone', async () => {
    const subject = fleet('redriven');
    const failing: Delivery = (functionName, event, deliver) => {
      const { page = 0 } = event as { page?: number };
      return functionName === 'ReadPage' && page > PAGES_A_PART ? Promise.reject(stopped()) : deliver();
    };
    await expect(run(subject, RUN, failing)).rejects.toThrow('the execution was stopped');
    await run(subject, { name: 'redriven', input: SECOND_PART });
    expect(subject.plans.map(({ input }) => input)).toEqual([INPUT, SECOND_PART, SECOND_PART, THIRD_PART]);
    expect(await resultOf(subject)).toMatchObject(WHOLE);
  });

  it('makes no result of a later part that is started without those before it', async () => {
    const subject = fleet('out-of-turn');
    const alone = { name: 'alone', input: THIRD_PART };
    await expect(run(subject, alone)).rejects.toThrow(new NotFoundError(`run ${RUN.name} has no plan`));
    const stopping: Delivery = (functionName, _, deliver) =>
      functionName === 'StartNextPart' ? Promise.reject(stopped()) : deliver();
    await expect(run(subject, RUN, stopping)).rejects.toThrow('the execution was stopped');
    const unrecorded = `page ${PAGES_A_PART} of run ${RUN.name} is not recorded`;
    await expect(run(subject, alone)).rejects.toThrow(new NotFoundError(unrecorded));
    expect(await resultOf(subject)).toBeUndefined();
    expect(subject.ports.published).toEqual([]);
  });
});
