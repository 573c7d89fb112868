import { downBed, upBed } from '../testbed/bed.ts';
import { findObstacle } from '../testbed/prerequisites.ts';
import { createReport } from '../testbed/progress.ts';
import { installHyperShift } from '../testbed/hypershift/install.ts';
import { beginSharedHostedCluster, E2E_INSTANCE, enrollCluster, KEPT_BED, LANE } from './bed.ts';

const report = createReport((line) => {
  process.stdout.write(`${line}\n`);
});

/** Jest's global set-up: one bed of two management clusters for all suites of a lane, Lifeboat enrolled on both. */
export default async function setUp(): Promise<void> {
  const obstacle = await findObstacle();
  if (obstacle !== undefined) throw new Error(`the end-to-end suites cannot run: ${obstacle}`);
  // These suites bring up their own.
  if (LANE === 'alone') return;
  // What a run that was killed has left would be found half alive.
  if (KEPT_BED === undefined) await downBed(E2E_INSTANCE, report);
  const bed = await upBed({ instance: E2E_INSTANCE, clusters: LANE === undefined ? 2 : 1, report });
  const [first, second] = bed.clusters;
  await installHyperShift(first);
  if (second !== undefined) await installHyperShift(second, { machineApi: false });
  if (LANE === undefined) await beginSharedHostedCluster(first);
  for (const cluster of bed.clusters) await enrollCluster(cluster);
}
