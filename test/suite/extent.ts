import { drawn } from './random.ts';

/** Whether all is wanted of which `npm test` takes a sample that its seed decides: `npm run test:whole`. */
export const isWhole = process.env['LIFEBOAT_TEST_EXTENT'] === 'whole';

/** All of them where all is wanted, else one that the random numbers decide. */
export function sampleOf<T>(all: readonly T[], random: () => number): readonly T[] {
  return isWhole ? all : drawn(all, random, 1);
}
