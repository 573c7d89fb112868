import { NotFoundError } from '../../lambdas/domain/errors.ts';
import { operationLock } from '../../lambdas/domain/operation.ts';
import { OUTCOME_WORDS, restorePlanSchema, restoreResultSchema } from '../../lambdas/domain/restore.ts';
import { findRecordedRestore, recordedRestores } from '../../lambdas/operations/recorded-restores.ts';
import { FIRST_TOUCH } from '../../lambdas/operations/unfinished-restores.ts';
import { findRestorePlan } from '../../lambdas/restores/records.ts';
import type { Ports } from '../local/ports.ts';
import { formatAge, formatTable } from '../output/format.ts';
import { describePlan, describeResult } from '../output/restore-text.ts';
import type { CommandResult } from './result.ts';

/** What a list needs, and no more: plans and results of other versions of Lifeboat are read as well. */
const listedPlanSchema = restorePlanSchema.pick({ controlPlane: true, point: true, plannedAt: true });
const listedResultSchema = restoreResultSchema.pick({ outcome: true });

/** What a restore that this version does not take over needs of a person. */
export const OF_FORMER_VERSION =
  'it was begun by a former version of Lifeboat: let that version go on with it, or look at the control plane and restore anew';

/** Of a restore that was never begun: somebody looked at the plan and said no, or was refused. */
const PLANNED_ONLY = 'planned only';

type OperationPorts = Pick<Ports, 'store' | 'clock' | 'locks'>;

/** `lifeboat operations`: every restore, the newest last. */
export async function operations(ports: OperationPorts): Promise<CommandResult> {
  const found = [];
  for (const { operation, journal } of await recordedRestores(ports.store)) {
    const plan = await journal.read(operation, 'plan', listedPlanSchema);
    const result = await journal.read(operation, 'result', listedResultSchema);
    const begun = await journal.has(operation, FIRST_TOUCH);
    const worker = result === undefined ? await workerOf(operation, ports) : null;
    if (plan !== undefined) found.push({ operation, ...plan, begun, worker, outcome: result?.outcome ?? null });
  }
  const now = ports.clock();
  return {
    json: { operations: found },
    text:
      found.length === 0
        ? 'no operations'
        : formatTable(
            ['OPERATION', 'CONTROL PLANE', 'POINT', 'PLANNED', 'OUTCOME'],
            found.map(({ operation, controlPlane, point, plannedAt, begun, worker, outcome }) => [
              operation,
              controlPlane,
              point,
              `${formatAge(new Date(plannedAt), now)} ago`,
              outcome === null ? describeOpen(begun, worker) : OUTCOME_WORDS[outcome],
            ]),
          ),
  };
}

/** `lifeboat operation <id>`: its plan, what was done of it, and how it ended. */
export async function operation(ports: OperationPorts, id: string): Promise<CommandResult> {
  const recorded = await findRecordedRestore(id, ports.store);
  const planned = recorded && (await findRestorePlan(id, recorded));
  if (recorded === undefined || planned === undefined) {
    throw new NotFoundError(`there is no operation ${id}`, { remedy: 'Run "lifeboat operations" to see them.' });
  }
  const { journal, isOfFormerVersion } = recorded;
  const plan = planned.document;
  const result = (await journal.read(id, 'result', restoreResultSchema)) ?? null;
  const documents = await journal.documents(id);
  const worker = result === null ? await workerOf(id, ports) : null;
  const recordedNames = documents.map(({ name }) => name);
  const goesOn = recordedNames.includes('abandoned')
    ? `lifeboat abandon ${id}`
    : `lifeboat restore ${plan.controlPlane} --resume ${id}`;
  return {
    json: { plan, documents, worker, result },
    text: [
      describePlan(plan, ports.clock()),
      '',
      ...documents.map(({ name, writtenAt }) => `${writtenAt.toISOString()}  ${name}`),
      '',
      result === null
        ? `${recordedNames.includes(FIRST_TOUCH) ? 'not ended' : `${PLANNED_ONLY}, nothing was touched`}; ` +
          (worker !== null
            ? `${worker} works on it`
            : isOfFormerVersion
              ? OF_FORMER_VERSION
              : `if no execution in AWS works on it: ${goesOn}`)
        : describeResult(result),
    ].join('\n'),
  };
}

/** How a restore without a result stands. */
function describeOpen(begun: boolean, worker: string | null): string {
  if (worker !== null) return `at work: ${worker}`;
  return begun ? 'not ended' : PLANNED_ONLY;
}

/** The process of a command line that works on an operation; that of one which was killed counts for some seconds more. */
async function workerOf(operation: string, { locks }: OperationPorts): Promise<string | null> {
  return (await locks.readHeld(operationLock(operation)))?.owner ?? null;
}
