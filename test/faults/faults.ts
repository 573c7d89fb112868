/**
 * `npm run test:faults`: every fault at every step of a restore, on the full bed, several control planes side by side. Prints
 * a line a combination and the table, which docs/evidence.md gets of a whole run; the exit code is 1 when one did not occur or did
 * not end as it must.
 */
import { markdownTable } from '../../lib/documents/markdown.ts';
import { recordEvidence } from '../../lib/documents/pages.ts';
import { describeMachine } from '../bench/measured-run.ts';
import { downBed, upBed } from '../testbed/bed.ts';
import { installHyperShift } from '../testbed/hypershift/install.ts';
import { createReport } from '../testbed/progress.ts';
import { COMBINATIONS, describeCombination, FAULTS } from './combinations.ts';
import { FaultStage, type Outcome } from './stage.ts';

const COMMAND = 'npm run test:faults';
const INSTANCE = 'faults';
const startedAt = performance.now();
/** Two cores carry so many restores at once. */
const STAGES = 4;

const report = createReport((line) => {
  process.stdout.write(`${line}\n`);
});
const wanted = process.argv.slice(2).join(' ');
const combinations = COMBINATIONS.filter((combination) => describeCombination(combination).includes(wanted));

try {
  await downBed(INSTANCE, report);
  const bed = await upBed({ instance: INSTANCE, clusters: 1, report });
  const [cluster] = bed.clusters;
  await installHyperShift(cluster);
  const stages = await Promise.all(
    Array.from({ length: Math.min(STAGES, combinations.length) }, (_, index) =>
      FaultStage.create(bed, cluster, `stage-${index}`),
    ),
  );
  const outcomes: Outcome[] = [];
  const queue = [...combinations];
  await Promise.all(
    stages.map(async (stage) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const outcome = await stage.try(next);
        outcomes.push(outcome);
        report(
          `${describeCombination(next)}: ${outcome.ending}${outcome.problem === null ? '' : ` — ${outcome.problem}`}`,
        );
      }
      await stage.remove();
    }),
  );
  const failed = outcomes.filter(({ problem }) => problem !== null).length + (combinations.length - outcomes.length);
  const count = `${outcomes.length - failed} passed, ${failed} failed`;
  const minutes = Math.round((performance.now() - startedAt) / 60_000);
  const section = `${describeMachine(COMMAND)}: ${count}, in ${minutes} min.\n\n${table(outcomes)}`;
  process.stdout.write(`${section}\n${count}\n`);
  if (wanted === '') await recordEvidence(COMMAND, section);
  process.exitCode = failed > 0 || outcomes.length === 0 ? 1 : 0;
} finally {
  await downBed(INSTANCE, report);
}

/** A row a step, a column a fault. */
function table(outcomes: readonly Outcome[]): string {
  const planned = Map.groupBy(combinations, ({ step, direction }) => `${step} ${direction}`);
  const rows = [...planned].map(([row, cells]) => {
    const endings = FAULTS.map((fault) => {
      const cell = cells.find((combination) => combination.fault === fault);
      return outcomes.find(({ combination }) => combination === cell)?.ending ?? '-';
    });
    return [row, ...endings];
  });
  return markdownTable(['step', ...FAULTS], rows);
}
