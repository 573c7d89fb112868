import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { COMBINATIONS, describeCombination, LATE } from '../../faults/combinations.ts';
import { FaultStage } from '../../faults/stage.ts';
import { drawn, randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { SETUP_TIMEOUT_MILLISECONDS, sharedBed } from '../bed.ts';

/** `npm run test:faults` tries all of them. */
const SAMPLES = 6;

// After those that are left for long a control plane has to be made anew: they are for the whole run.
const soon = COMBINATIONS.filter(({ fault }) => !LATE.includes(fault));
const sample = drawn(soon, randomNumbers(seed), SAMPLES).map(
  (combination) => [describeCombination(combination), combination] as const,
);

describe('a restore with a fault at one of its steps', () => {
  let stage: FaultStage;

  beforeAll(async () => {
    const bed = await sharedBed();
    stage = await FaultStage.create(bed, bed.clusters[0], 'sampled');
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(async () => {
    await stage.remove();
  }, SETUP_TIMEOUT_MILLISECONDS);

  it.each(sample)(
    'ends restored or exactly as before, with nothing left, after %s',
    async (_, combination) => {
      expect(await stage.try(combination)).toMatchObject({ combination, problem: null });
    },
    600_000,
  );
});
