import { downBed } from '../testbed/bed.ts';
import { E2E_INSTANCE, KEPT_BED } from './bed.ts';

/** Jest's global tear-down: ends the shared bed, unless a developer keeps it for the next run. */
export default async function tearDown(): Promise<void> {
  if (KEPT_BED !== undefined) return;
  await downBed(E2E_INSTANCE, (line) => {
    process.stdout.write(`${line}\n`);
  });
}
