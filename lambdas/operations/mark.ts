import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import process from 'node:process';
import * as z from 'zod';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { ClusterUnreachableError, ConflictError, GateError, LockedError } from '../domain/errors.ts';
import type { LockedRestore } from '../domain/restore.ts';
import type { SeenMark } from '../platforms/platform.ts';
import { platforms } from '../platforms/registry.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { changeJson, encodeJson, findJson, readJson } from '../store/stored-json.ts';
import { keepLock } from './lock.ts';
import type { ClusterRunPorts } from './ports.ts';

/**
 * Two stores are two sets of locks. So whoever changes a control plane also marks it in its management cluster, on the platform's
 * own object: there every Lifeboat sees the same. A mark is extended while its operation works and taken away at the end; one that
 * nobody extends is taken over, but only by somebody who has seen it unchanged for a whole lease by the clock of his own store.
 */

/** Longer than any step may take, as the lock's. */
const LEASE_SECONDS = 20 * 60;
const LONGEST_LEASE_SECONDS = 24 * 3600;
/** The platform writes to the same object: its status, above all. */
const ATTEMPTS = 20;

const STORE_KEY = 'locks/store.json';
const storeSchema = z.strictObject({ id: z.uuid() });

const markSchema = z.object({
  operation: z.string(),
  /** Another one whenever the mark was made anew: as long as it is the same, no other operation has marked the control plane. */
  nonce: z.uuid(),
  store: z.object({ id: z.uuid(), location: z.string() }),
  /** The process or function that has made it, for people. */
  holder: z.string(),
  leaseSeconds: z.int().positive().max(LONGEST_LEASE_SECONDS),
  /** For people, and so that an extended mark is another one. */
  expiresAt: z.string(),
});
export type Mark = z.infer<typeof markSchema>;

/** The mark that was in the way, as it was first seen by this store. */
const sightingSchema = z.strictObject({ text: z.string() });

type Marking = Pick<LockedRestore, 'operation' | 'controlPlane' | 'platform'>;
/** With the uid of the control plane as it was planned: one of its name with another uid is another one. */
export type PlannedMarking = Marking & Pick<SeenMark, 'uid'>;
type MarkPorts = Pick<ClusterRunPorts, 'connect' | 'store' | 'clock'>;

/**
 * Marks the control plane for an operation that has its lock, or extends the mark that it has. LockedError names the operation of
 * another store that works on it, GateError for another control plane than was planned. What operations of this store have left is
 * taken over at once: the lock is ours.
 */
export async function markControlPlane(item: LockedRestore & PlannedMarking, ports: ClusterRunPorts): Promise<null> {
  await keepLock(item, ports);
  await change(item, ports, async ({ text, uid }) => {
    refuseOther(item, uid);
    const found = await judge(text, item, ports.store);
    if (found.whose === 'ours') return extended(found.mark, ports);
    if (found.whose === 'foreign') await refuseWhileFresh(item, found, ports.store);
    return await newMark(item, ports);
  });
  return null;
}

/**
 * Extends the mark of an operation, and gives it; undefined when the control plane's object is gone. One that somebody has removed
 * is made again, with another nonce, unless the operation was away for so long that another one may have come and gone.
 * LockedError when it is lost, GateError when the control plane is another one than was planned.
 */
export async function keepMark(
  item: PlannedMarking,
  { wasAway }: { readonly wasAway: boolean },
  ports: MarkPorts,
): Promise<Mark | undefined> {
  return await change(item, ports, async ({ text, uid }) => {
    refuseOther(item, uid);
    const found = await judge(text, item, ports.store);
    if (found.whose === 'ours') return extended(found.mark, ports);
    if (found.whose === 'nobody' && !wasAway) return await newMark(item, ports);
    throw lostMark(item, found);
  });
}

/** Errors as of {@link keepMark}; the mark must be there. Nothing is written. */
export async function checkMark(item: PlannedMarking, ports: MarkPorts): Promise<void> {
  const seen = await look(item, ports);
  if (seen === undefined) return;
  refuseOther(item, seen.uid);
  const found = await judge(seen.text, item, ports.store);
  if (found.whose !== 'ours') throw lostMark(item, found);
}

/** The mark of the operation as it stands; undefined without one, or when it is another's. Nothing is written. */
export async function readMark(item: Marking, ports: MarkPorts): Promise<Mark | undefined> {
  const seen = await look(item, ports);
  if (seen === undefined) return undefined;
  const found = await judge(seen.text, item, ports.store);
  return found.whose === 'ours' ? found.mark : undefined;
}

/** Takes the mark away if it is the operation's. No error without it, nor when the control plane's object is gone. */
export async function removeMark(item: Marking, ports: MarkPorts): Promise<void> {
  await change(item, ports, async ({ text }) =>
    (await judge(text, item, ports.store)).whose === 'ours' ? null : undefined,
  );
}

/** Says that the control plane is another one than was planned; undefined when it is that one, or is gone. Nothing is written. */
export async function whyOther(
  item: Omit<PlannedMarking, 'operation'>,
  ports: Pick<MarkPorts, 'connect'>,
): Promise<string | undefined> {
  const seen = await look(item, ports);
  return seen === undefined ? undefined : describeOther(item, seen.uid);
}

function describeOther({ controlPlane, uid }: Omit<PlannedMarking, 'operation'>, foundUid: string): string | undefined {
  if (foundUid === uid) return undefined;
  return `${controlPlane} is another one than was planned: its uid was ${uid}, and now it is ${foundUid}`;
}

function refuseOther(item: PlannedMarking, foundUid: string): void {
  const other = describeOther(item, foundUid);
  if (other === undefined) return;
  throw new GateError(other, {
    remedy:
      'It was deleted and made again since, or the kubeconfig leads to another management cluster. Nothing is changed there. See which it is, then plan a new restore.',
  });
}

type Found =
  | { readonly whose: 'nobody' }
  | { readonly whose: 'ours'; readonly mark: Mark }
  /** Another operation's of this store. */
  | { readonly whose: 'sibling'; readonly mark: Mark }
  /** `mark` is undefined when it is of a form that is not known. */
  | { readonly whose: 'foreign'; readonly text: string; readonly mark: Mark | undefined };

async function judge(text: string | null, { operation }: Marking, store: ObjectStore): Promise<Found> {
  if (text === null) return { whose: 'nobody' };
  const mark = parseMark(text);
  if (mark?.store.id !== (await storeId(store))) return { whose: 'foreign', text, mark };
  return { whose: mark.operation === operation ? 'ours' : 'sibling', mark };
}

function parseMark(text: string): Mark | undefined {
  try {
    return markSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

async function look(
  { controlPlane, platform }: Omit<Marking, 'operation'>,
  { connect }: Pick<MarkPorts, 'connect'>,
): Promise<SeenMark | undefined> {
  const name = parseControlPlaneName(controlPlane);
  return await platforms[platform].readMark((await connect(name.managementCluster)).api, name);
}

/** Writes what `decide` makes of the mark: null removes it, undefined leaves it. Gives it; undefined when there is none then. */
async function change(
  item: Marking,
  ports: MarkPorts,
  decide: (seen: SeenMark) => Promise<Mark | null | undefined>,
): Promise<Mark | undefined> {
  const name = parseControlPlaneName(item.controlPlane);
  const { api } = await ports.connect(name.managementCluster);
  const platform = platforms[item.platform];
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const seen = await platform.readMark(api, name);
    if (seen === undefined) return undefined;
    const next = await decide(seen);
    if (next === undefined) return undefined;
    const text = next === null ? null : JSON.stringify(next);
    if (await platform.writeMark(api, name, { text, version: seen.version })) return next ?? undefined;
  }
  throw new ClusterUnreachableError(`could not mark ${item.controlPlane}: somebody else changes it all the time`, {
    remedy: 'See who writes to its object in the management cluster, then try again.',
  });
}

async function newMark({ operation }: Marking, ports: MarkPorts): Promise<Mark> {
  const { store } = ports;
  const functionName = process.env['AWS_LAMBDA_FUNCTION_NAME'];
  const holder = functionName === undefined ? `process ${process.pid} on ${hostname()}` : `function ${functionName}`;
  const made = {
    operation,
    nonce: randomUUID(),
    store: { id: await storeId(store), location: store.location },
    holder,
  };
  return extended({ ...made, leaseSeconds: LEASE_SECONDS, expiresAt: '' }, ports);
}

function extended(mark: Mark, { clock }: MarkPorts): Mark {
  const expiresAt = new Date(clock().getTime() + LEASE_SECONDS * 1000).toISOString();
  return { ...mark, leaseSeconds: LEASE_SECONDS, expiresAt };
}

/** LockedError until the mark has stood unchanged for a whole lease since this store has first seen it. */
async function refuseWhileFresh(
  { controlPlane }: Marking,
  { text, mark }: Extract<Found, { whose: 'foreign' }>,
  store: ObjectStore,
): Promise<void> {
  const leaseMilliseconds = (mark?.leaseSeconds ?? LEASE_SECONDS) * 1000;
  let leftMilliseconds = leaseMilliseconds;
  await changeJson(store, `locks/marks/${controlPlane}.json`, sightingSchema, (sighting, { stored, at }) => {
    const isSame = sighting?.text === text && stored !== undefined;
    leftMilliseconds = isSame ? stored.modifiedAt.getTime() + leaseMilliseconds - at.getTime() : leaseMilliseconds;
    return isSame ? undefined : { text };
  });
  if (leftMilliseconds <= 0) return;
  const minutes = Math.ceil(leftMilliseconds / 60_000);
  throw new LockedError(`${controlPlane} is marked by ${describe(mark)}`, {
    remedy: `Wait for it to end, and look at it with that store. If nobody works on it any more, try again in ${minutes} min: a mark that stays as it is for so long is taken over.`,
  });
}

function describe(mark: Mark | undefined): string {
  if (mark === undefined) return 'a Lifeboat of another version';
  const { operation, holder, store, expiresAt } = mark;
  return `${operation} of another store (${store.location}, ${holder}) until ${expiresAt}, or longer while that works`;
}

function lostMark({ operation, controlPlane }: Marking, found: Found): LockedError {
  const now =
    found.whose === 'nobody' || found.whose === 'ours'
      ? 'it is gone'
      : `now it has that of ${found.mark?.operation ?? 'another Lifeboat'}`;
  return new LockedError(`${controlPlane} no longer has the mark of ${operation}: ${now}`, {
    remedy: 'Another Lifeboat may have worked on it since. Look at what became of that before you do anything.',
  });
}

const storeIds = new WeakMap<ObjectStore, Promise<string>>();

/** A name for a store that no other has, wherever it is reached from: two directories may have the same path. */
async function storeId(store: ObjectStore): Promise<string> {
  const known = storeIds.get(store);
  if (known !== undefined) return await known;
  const finding = findStoreId(store);
  storeIds.set(store, finding);
  finding.catch(() => storeIds.delete(store));
  return await finding;
}

async function findStoreId(store: ObjectStore): Promise<string> {
  const found = await findJson(store, STORE_KEY, storeSchema);
  if (found !== undefined) return found.id;
  const id = randomUUID();
  try {
    await store.put(STORE_KEY, encodeJson({ id }), { ifAbsent: true });
    return id;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return (await readJson(store, STORE_KEY, storeSchema)).id;
  }
}
