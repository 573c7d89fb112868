import * as z from 'zod';

const count = z.int().nonnegative();

/** What a restore does to a key that it changes, in the order in which a person is told. */
const CHANGES = ['comesBack', 'vanishes', 'reverted'] as const;
type Change = (typeof CHANGES)[number];
export type KeyChange = Change | 'same';

const LABELS: Readonly<Record<Change, string>> = {
  comesBack: 'comes back',
  vanishes: 'vanishes',
  reverted: 'reverted',
};
const LABEL_WIDTH = Math.max(...Object.values(LABELS).map((label) => label.length));

/** The most names in one list. */
const MOST_NAMES = 200;

/**
 * What changes all the time by itself, as path parts below the prefix: the API servers' and controllers' own bookkeeping,
 * events, and endpoints, which controllers derive from other objects.
 */
const CHURNING = new Set([
  'compact_rev_key',
  'endpointslices',
  'events',
  'leases',
  'masterleases',
  'peerserverleases',
  'services/endpoints',
]);

/** With a group in their path too, but no custom resources: the API server makes one for every version of every group. */
const API_SERVICES = 'apiregistration.k8s.io/apiservices';

const names = z.array(z.string()).max(MOST_NAMES);

/** How the keys of a snapshot differ from those of the live datastore that it would replace. */
export const keyspaceDifferenceSchema = z.strictObject({
  snapshotRevision: count,
  /** null when there is no live datastore: everything comes back. */
  liveRevision: count.nullable(),
  /** Keys a resource, by name; those that churn come last. */
  resources: z.array(
    z.strictObject({
      /** Path parts below the prefix, e.g. `secrets`, `example.com/widgets`; `other` is not of Kubernetes. */
      resource: z.string(),
      /** Changes all the time by itself, so that a difference is nothing to worry about. */
      churn: z.boolean(),
      /** In the snapshot, not live. */
      comesBack: count,
      /** Live, not in the snapshot. */
      vanishes: count,
      /** In both, written or created anew since the snapshot. */
      reverted: count,
      same: count,
    }),
  ),
  /** Namespaces, nodes and custom resources by name, e.g. `namespaces/shop`, `example.com/widgets/shop/one`. */
  named: z.strictObject({
    comesBack: names,
    vanishes: names,
    reverted: names,
    /** How many more there are than the lists name. */
    leftOut: z.strictObject({ comesBack: count, vanishes: count, reverted: count }),
  }),
});
export type KeyspaceDifference = z.infer<typeof keyspaceDifferenceSchema>;
type ResourceDifference = KeyspaceDifference['resources'][number];

/** A living key of a snapshot, and what a datastore restored from it must give for it. */
export const keySampleSchema = z.object({
  key: z.string(),
  /** Of the value as it is stored, in hexadecimal. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type KeySample = z.infer<typeof keySampleSchema>;

/** Whether a resource, in path parts below the prefix, changes all the time by itself. */
export function isChurning(resource: string): boolean {
  return CHURNING.has(resource);
}

/** Adds up a difference key by key; memory is bounded by the number of resources. */
export class KeyspaceDifferenceTally {
  readonly #resources = new Map<string, ResourceDifference>();
  readonly #names = { comesBack: new FirstNames(), vanishes: new FirstNames(), reverted: new FirstNames() };

  /** `name` gives what follows the resource in the path; it is asked only for what is listed by name. */
  add(resource: string, change: KeyChange, name: () => string): void {
    let counts = this.#resources.get(resource);
    if (counts === undefined) {
      counts = { resource, churn: isChurning(resource), comesBack: 0, vanishes: 0, reverted: 0, same: 0 };
      this.#resources.set(resource, counts);
    }
    counts[change] += 1;
    if (change !== 'same' && isNamed(resource)) this.#names[change].add(`${resource}/${name()}`);
  }

  difference(snapshotRevision: number, liveRevision: number | null): KeyspaceDifference {
    const { comesBack, vanishes, reverted } = this.#names;
    return {
      snapshotRevision,
      liveRevision,
      resources: [...this.#resources.values()].sort(
        (left, right) => Number(left.churn) - Number(right.churn) || (left.resource < right.resource ? -1 : 1),
      ),
      named: {
        comesBack: comesBack.list(),
        vanishes: vanishes.list(),
        reverted: reverted.list(),
        leftOut: { comesBack: comesBack.leftOut, vanishes: vanishes.leftOut, reverted: reverted.leftOut },
      },
    };
  }
}

/** A difference in lines for people: names first, then counts a resource. Without control characters, whatever the keys hold. */
export function describeDifference({ snapshotRevision, liveRevision, ...rest }: KeyspaceDifference): string[] {
  const changed = rest.resources.filter(({ comesBack, vanishes, reverted }) => comesBack + vanishes + reverted > 0);
  const unchanged = rest.resources.length - changed.length;
  const lines = [
    liveRevision === null
      ? `snapshot at revision ${snapshotRevision}, nothing live`
      : `snapshot at revision ${snapshotRevision}, live at revision ${liveRevision}`,
    ...CHANGES.flatMap((change) => describeNames(change, rest.named)),
    ...changed.map(describeCounts),
  ];
  if (unchanged > 0) lines.push(`${unchanged} ${unchanged === 1 ? 'resource' : 'resources'} without a difference`);
  return lines.map((line) => line.replace(/\p{Cc}/gu, '\uFFFD'));
}

function describeNames(change: Change, named: KeyspaceDifference['named']): string[] {
  const label = LABELS[change].padEnd(LABEL_WIDTH);
  const left = named.leftOut[change];
  return [...named[change], ...(left > 0 ? [`and ${left} more`] : [])].map((name) => `${label}  ${name}`);
}

function describeCounts({ resource, churn, comesBack, vanishes, reverted, same }: ResourceDifference): string {
  const counts: readonly (readonly [number, string])[] = [
    [comesBack, comesBack === 1 ? 'comes back' : 'come back'],
    [vanishes, vanishes === 1 ? 'vanishes' : 'vanish'],
    [reverted, 'reverted'],
    [same, 'the same'],
  ];
  const told = counts.filter(([number]) => number > 0).map(([number, words]) => `${number} ${words}`);
  return `${resource}${churn ? ' (changes all the time)' : ''}: ${told.join(', ')}`;
}

/** Custom resources and their definitions are those whose path begins with a group, which has a dot. */
function isNamed(resource: string): boolean {
  if (resource === 'namespaces' || resource === 'nodes') return true;
  return resource.includes('.') && resource !== API_SERVICES;
}

/** Namespaces first, then nodes, then custom resources: what matters most is what a full list keeps. */
function compareNames(left: string, right: string): number {
  return rankOf(left) - rankOf(right) || (left < right ? -1 : 1);
}

function rankOf(name: string): number {
  if (name.startsWith('namespaces/')) return 0;
  return name.startsWith('nodes/') ? 1 : 2;
}

/** The first of any number of names in order, whichever order they come in. */
class FirstNames {
  #names: string[] = [];
  #total = 0;

  add(name: string): void {
    this.#total += 1;
    this.#names.push(name);
    // Sorting once in so many names costs less than keeping them sorted.
    if (this.#names.length >= 4 * MOST_NAMES) this.#names = this.list();
  }

  list(): string[] {
    return this.#names.sort(compareNames).slice(0, MOST_NAMES);
  }

  get leftOut(): number {
    return Math.max(0, this.#total - MOST_NAMES);
  }
}
