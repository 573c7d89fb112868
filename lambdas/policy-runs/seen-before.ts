import pLimit from 'p-limit';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import {
  DISMISSALS_KEY,
  dismissalsSchema,
  isDismissed,
  newestOfEach,
  type Dismissals,
  type Seen,
  type SeenBefore,
  type Served,
} from '../domain/missing.ts';
import { lastRunKey, lastRunSchema, type PolicyRun } from '../domain/policy-run.ts';
import { timeOfRecoveryPoint } from '../domain/recovery-point.ts';
import type { RunPorts } from '../operations/ports.ts';
import { findJson } from '../store/stored-json.ts';
import { storedPlanSchema, type StoredPlan } from './stored-plan.ts';

/** Requests to the store at once. */
const REQUESTS_AT_ONCE = 32;

type SeenPorts = Pick<RunPorts, 'configuration' | 'store' | 'catalogue' | 'journal' | 'report'>;

interface AskedRun extends Pick<PolicyRun, 'policy'> {
  readonly selected: ReadonlySet<string>;
  readonly now: Date;
  /** The plan that an earlier attempt at the slot has made. */
  readonly earlier: StoredPlan | undefined;
}

/**
 * What a policy has backed up, or found when it was last run, without what was dismissed or what another policy backs up now.
 * Recovery points of control planes that are selected are not looked at. `planned` is what it selected then, whoever else does.
 */
export async function seenBefore(
  { policy, selected, now, earlier }: AskedRun,
  ports: SeenPorts,
): Promise<SeenBefore & { readonly planned: readonly Seen[] }> {
  const dismissals = await orElse({ dismissed: [] }, 'told of what was dismissed as well', ports, () =>
    readDismissals(ports.store),
  );
  const others = Object.keys(ports.configuration.policies ?? {}).filter((other) => other !== policy);
  const plansOfOthers = await Promise.all(others.map((other) => readLastPlan(other, ports)));
  const elsewhere = new Set(
    plansOfOthers.flatMap((plan) =>
      plan === undefined ? [] : [...plan.controlPlanes, ...plan.unreached].map(({ controlPlane }) => controlPlane),
    ),
  );
  const isOfInterest = (controlPlane: string, lastSeenAt: string) =>
    !selected.has(controlPlane) && !elsewhere.has(controlPlane) && !isDismissed(dismissals, controlPlane, lastSeenAt);
  const previous = earlier ?? (await readLastPlan(policy, ports));
  const previousAt = previous?.plannedAt ?? previous?.slot ?? '';
  const planned = [
    ...(previous?.controlPlanes.map((found) => ({ ...found, lastSeenAt: previousAt })) ?? []),
    ...(previous?.unreached ?? []),
  ];
  const inPoints = await readPoints(policy, now, isOfInterest, ports);
  const notDismissed = ({ managementCluster, lastSeenAt }: Served) =>
    !isDismissed(dismissals, managementCluster, lastSeenAt);
  return {
    planned: planned.filter(({ controlPlane, lastSeenAt }) => !isDismissed(dismissals, controlPlane, lastSeenAt)),
    controlPlanes: newestOfEach([...inPoints, ...planned]).filter(({ controlPlane, lastSeenAt }) =>
      isOfInterest(controlPlane, lastSeenAt),
    ),
    served: previous?.served.filter(notDismissed) ?? [],
    unserved: previous?.unserved.filter(notDismissed) ?? [],
    missing: previous?.missing ?? [],
  };
}

/** What somebody has said to be gone on purpose. */
export async function readDismissals(store: RunPorts['store']): Promise<Dismissals> {
  return (await findJson(store, DISMISSALS_KEY, dismissalsSchema)) ?? { dismissed: [] };
}

async function readLastPlan(policy: string, ports: SeenPorts): Promise<StoredPlan | undefined> {
  return await orElse(undefined, `not compared with the last run of policy ${policy}`, ports, async () => {
    const last = await findJson(ports.store, lastRunKey(policy), lastRunSchema);
    return last === undefined ? undefined : await ports.journal.read(last.runId, 'plan', storedPlanSchema);
  });
}

/** A night's backups must not fail because what was left earlier can't be read; the note says what follows from that. */
async function orElse<T>(otherwise: T, note: string, { report }: SeenPorts, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CorruptSnapshotError)) throw error;
    report({ kind: 'note', text: `${note}: ${error.message}` });
    return otherwise;
  }
}

async function readPoints(
  policy: string,
  now: Date,
  isOfInterest: (controlPlane: string, lastSeenAt: string) => boolean,
  { catalogue }: SeenPorts,
): Promise<SeenBefore['controlPlanes']> {
  const limit = pLimit(REQUESTS_AT_ONCE);
  const newest = (await catalogue.controlPlanes()).filter(({ controlPlane, newestId }) =>
    isOfInterest(controlPlane, timeOfRecoveryPoint(newestId).toISOString()),
  );
  const found = await limit.map(newest, async ({ controlPlane, platform }) => {
    const point = await catalogue.newestOfPolicy(parseControlPlaneName(controlPlane), policy);
    if (point === undefined) return [];
    const takenAt = new Date(point.manifest.takenAt);
    // A point from the future must not keep anybody from dismissing.
    return [{ controlPlane, platform, lastSeenAt: (takenAt < now ? takenAt : now).toISOString() }];
  });
  return found.flat();
}
