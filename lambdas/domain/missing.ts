import * as z from 'zod';
import { PLATFORMS, type PlatformName } from './control-plane.ts';

/** Why a control plane that a policy has backed up is no longer found by it, as it is told to people. */
const WHY = {
  gone: 'its management cluster no longer has it',
  'not-served': 'its management cluster no longer serves its platform',
  'not-selected': 'the policy no longer selects it, and no other policy backs it up',
  'not-configured': 'its management cluster is no longer in the configuration',
} as const;

/** A control plane that was backed up before and that a run no longer finds. */
export const missingSchema = z.strictObject({
  controlPlane: z.string(),
  why: z.enum(Object.keys(WHY) as (keyof typeof WHY)[]),
  lastSeenAt: z.iso.datetime(),
});
export type Missing = z.infer<typeof missingSchema>;

/** A platform that a management cluster serves or, with the time at which it last did, no longer serves. */
export const servedSchema = z.strictObject({
  managementCluster: z.string(),
  platform: z.enum(PLATFORMS),
  lastSeenAt: z.iso.datetime(),
});
export type Served = z.infer<typeof servedSchema>;

/** A control plane that somebody saw at a time. */
export const seenSchema = z.strictObject({
  controlPlane: z.string(),
  platform: z.enum(PLATFORMS),
  lastSeenAt: z.iso.datetime(),
});
export type Seen = z.infer<typeof seenSchema>;

/** What is known from before a run. */
export interface SeenBefore {
  readonly controlPlanes: readonly Seen[];
  readonly served: readonly Served[];
  /** What was told of then. */
  readonly missing: readonly Missing[];
  readonly unserved: readonly Served[];
}

/** What a run has found. */
export interface FoundNow {
  /** RFC 3339 in UTC. */
  readonly at: string;
  readonly selected: ReadonlySet<string>;
  /** Selected or not, of the management clusters that were asked. */
  readonly existing: ReadonlySet<string>;
  readonly served: readonly Pick<Served, 'managementCluster' | 'platform'>[];
  /** Those that the policy may select at all, and those of them that did not answer. */
  readonly asked: ReadonlySet<string>;
  readonly unreachable: ReadonlySet<string>;
  readonly configured: ReadonlySet<string>;
}

/** What a run of a policy no longer finds, and what it leaves for the next one to compare with. */
export interface Absences {
  readonly served: Served[];
  readonly unserved: Served[];
  readonly missing: Missing[];
}

/**
 * Compares what a run has found with what was there before. Nothing new is said of a management cluster that does not answer: what
 * it served is remembered, what it lacked is lacking still, and that it does not answer is told anyway.
 */
export function findAbsences(now: FoundNow, before: SeenBefore): Absences {
  const platformsOf = (served: readonly Pick<Served, 'managementCluster' | 'platform'>[]) =>
    new Set(served.map(({ managementCluster, platform }) => `${managementCluster} ${platform}`));
  const servedNow = platformsOf(now.served);
  const unservedBefore = platformsOf(before.unserved);
  const missingBefore = new Map(before.missing.map(({ controlPlane, why }) => [controlPlane, why]));
  const isServed = (managementCluster: string, platform: PlatformName) =>
    servedNow.has(`${managementCluster} ${platform}`);
  const former = new Map(
    [
      ...before.controlPlanes.map(({ controlPlane, platform, lastSeenAt }) => ({
        managementCluster: managementClusterOf(controlPlane),
        platform,
        lastSeenAt,
      })),
      ...before.served,
      ...before.unserved,
    ].map((served) => [`${served.managementCluster} ${served.platform}`, served]),
  ).values();
  const notServedNow = [...former].filter(
    ({ managementCluster, platform }) => now.asked.has(managementCluster) && !isServed(managementCluster, platform),
  );
  const isTakenToServe = ({ managementCluster, platform }: Served) =>
    now.unreachable.has(managementCluster) && !unservedBefore.has(`${managementCluster} ${platform}`);
  return {
    served: [
      ...now.served.map((served) => ({ ...served, lastSeenAt: now.at })),
      ...notServedNow.filter(isTakenToServe),
    ],
    unserved: notServedNow.filter((served) => !isTakenToServe(served)),
    missing: before.controlPlanes.flatMap((seen) => {
      const isAway = now.unreachable.has(managementClusterOf(seen.controlPlane));
      const why = isAway ? missingBefore.get(seen.controlPlane) : whyMissing(seen, now, isServed);
      return why === undefined ? [] : [{ controlPlane: seen.controlPlane, why, lastSeenAt: seen.lastSeenAt }];
    }),
  };
}

function whyMissing(
  { controlPlane, platform }: Seen,
  { selected, existing, asked, configured }: FoundNow,
  isServed: (managementCluster: string, platform: PlatformName) => boolean,
): Missing['why'] | undefined {
  const managementCluster = managementClusterOf(controlPlane);
  if (selected.has(controlPlane)) return undefined;
  if (!configured.has(managementCluster)) return 'not-configured';
  if (existing.has(controlPlane) || !asked.has(managementCluster)) return 'not-selected';
  return isServed(managementCluster, platform) ? 'gone' : 'not-served';
}

/**
 * The control planes of management clusters that do not answer, as they were known: they are still to have recovery points. But for
 * those that were missing before.
 */
export function findUnreached(
  known: readonly Seen[],
  { unreachable, missing }: { readonly unreachable: ReadonlySet<string>; readonly missing: readonly Missing[] },
): Seen[] {
  const isMissing = new Set(missing.map(({ controlPlane }) => controlPlane));
  const unreached = known.filter(
    ({ controlPlane }) => unreachable.has(managementClusterOf(controlPlane)) && !isMissing.has(controlPlane),
  );
  return newestOfEach(unreached).sort((a, b) => a.controlPlane.localeCompare(b.controlPlane));
}

/** Each control plane once, as it was seen last. */
export function newestOfEach(seen: readonly Seen[]): Seen[] {
  const newest = new Map<string, Seen>();
  for (const one of seen) {
    const known = newest.get(one.controlPlane);
    if (known === undefined || known.lastSeenAt < one.lastSeenAt) newest.set(one.controlPlane, one);
  }
  return [...newest.values()];
}

function describeMissing({ controlPlane, why }: Pick<Missing, 'controlPlane' | 'why'>): string {
  return `${controlPlane} is no longer backed up: ${WHY[why]}`;
}

/** A sentence a management cluster that no longer serves a platform, whatever was on it, and one a control plane else. */
export function describeAbsences({
  missing,
  unserved,
}: {
  readonly missing: readonly Missing[];
  readonly unserved: readonly Served[];
}): string[] {
  return [
    ...unserved.map(({ managementCluster, platform }) => {
      const lost = missing.filter(
        ({ controlPlane, why }) => why === 'not-served' && controlPlane.startsWith(`${managementCluster}/`),
      ).length;
      const planes = lost === 1 ? '1 control plane is' : `${lost} control planes are`;
      return `${managementCluster} no longer serves the API of ${platform}${lost === 0 ? '' : `: ${planes} no longer backed up`}`;
    }),
    ...missing.filter(({ why }) => why !== 'not-served').map(describeMissing),
  ];
}

/** `policies/dismissed.json`: what is gone on purpose, as somebody has said. */
export const dismissalsSchema = z.strictObject({
  /** Control planes by their full names, or management clusters: then all that was on them. */
  dismissed: z.array(z.strictObject({ name: z.string(), at: z.iso.datetime() })),
});
export type Dismissals = z.infer<typeof dismissalsSchema>;

/** Beside the folders of policies, whose names have no dot. */
export const DISMISSALS_KEY = 'policies/dismissed.json';

/** Whether a control plane or management cluster was dismissed since it was last seen: what comes back counts again. */
export function isDismissed({ dismissed }: Dismissals, name: string, lastSeenAt: string): boolean {
  return dismissed.some(
    (one) =>
      (one.name === name || one.name === managementClusterOf(name)) && Date.parse(one.at) >= Date.parse(lastSeenAt),
  );
}

/** Of a control plane's full name; a management cluster's own name is its own. */
function managementClusterOf(name: string): string {
  return name.split('/', 1).join();
}
