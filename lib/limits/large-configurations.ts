/** Sizes that the application must be able to have. */
export const SIZES = [
  { managementClusters: 10, policies: 1 },
  { managementClusters: 200, policies: 12 },
  { managementClusters: 2_000, policies: 100 },
] as const;
/** Of so many policies somebody is told. Each takes a rule, for which 500 resources leave no more room beside 100 policies. */
const POLICIES_WITH_A_HOOK = 24;
type Size = (typeof SIZES)[number];

/** The longest name that a management cluster or a policy may have, with a number in it. */
const longName = (index: number, characters: number) => `${index}-`.padEnd(characters, 'x');

/** The sections of a configuration of this size, with names as long as they may be and the schedules that need most. */
export function largeConfiguration({ managementClusters, policies }: Size): Readonly<Record<string, unknown>> {
  const tell = {
    on: ['PolicyRunFinished'],
    lambda: `arn:aws:lambda:eu-central-1:111122223333:function:${longName(0, 64)}`,
  };
  const names = Array.from({ length: managementClusters }, (_, index) => longName(index, 63));
  return {
    managementClusters: Object.fromEntries(
      names.map((name) => [
        name,
        { secret: `lifeboat/management-clusters/${name}`, restore: { secret: `lifeboat/restores/${name}` } },
      ]),
    ),
    policies: Object.fromEntries(
      Array.from({ length: policies }, (_, index) => [
        longName(index, 32),
        // A day of month and a day of week: either, which takes two schedules.
        {
          schedule: '0 4 1 * SUN',
          timeZone: 'America/Argentina/ComodRivadavia',
          retention: { daily: 7 },
          ...(index < POLICIES_WITH_A_HOOK && { hooks: [tell] }),
        },
      ]),
    ),
  };
}
