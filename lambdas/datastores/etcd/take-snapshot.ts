import { setTimeout as delay } from 'node:timers/promises';
import type { EtcdMemberPod } from '../../domain/datastore.ts';
import {
  CorruptSnapshotError,
  DatastoreError,
  LifeboatError,
  NoUsableMemberError,
  PermissionError,
} from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { Sink } from '../driver.ts';
import { chooseMembers, type AskedMember } from './choose-member.ts';
import { connectMember, type Reach } from './reach-member.ts';
import { streamSnapshot, type StreamedSnapshot } from './stream-snapshot.ts';
import type { EtcdClient } from './wire/etcd-client.ts';
import type { EtcdMember } from './wire/messages.ts';

/** How the members are reached, and where the snapshot goes. */
export interface SnapshotPorts extends Reach, Sink {}

/** A snapshot that is in the store, complete and with the hash that its member announced. */
export interface TakenSnapshot extends StreamedSnapshot {
  /** Version of the server that streamed it, e.g. `3.6.5`. */
  readonly version: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly memberPod: string;
  /** Why this member was asked, and what was wrong with those that were passed over. */
  readonly memberChoice: string[];
  readonly warnings: string[];
}

interface Candidate extends AskedMember {
  readonly client: EtcdClient;
  readonly memberList: readonly EtcdMember[];
}

interface Failure {
  readonly pod: string;
  readonly error: LifeboatError;
}

// A failed member is not asked again while there are others. Tunnels to all of them share the API server: when that breaks
// they break together, and each deserves a second try; a lone member gets as many attempts as three would.
const ATTEMPTS = 2;
const ATTEMPTS_OF_A_LONE_MEMBER = 3;
const WAIT_BETWEEN_ATTEMPTS_MILLISECONDS = 1_000;

/**
 * Takes a snapshot of an etcd from the member that suits best, and from byte 0 of the next one when that fails. Each
 * attempt has an upload of its own, completed only after the hash agrees and aborted otherwise.
 *
 * NoUsableMemberError, DatastoreError, PermissionError or CorruptSnapshotError name every member with its reason; errors of
 * the store and the signal's reason come through as they are.
 */
export async function takeSnapshot(workload: EtcdWorkload, ports: SnapshotPorts): Promise<TakenSnapshot> {
  const attempts = workload.members.length === 1 ? ATTEMPTS_OF_A_LONE_MEMBER : ATTEMPTS;
  const failures: Failure[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const taken = await takeFromAnyMember(workload, ports, failures);
    if (taken !== undefined) return taken;
    if (attempt >= attempts || failures.some(({ error }) => error.kind !== 'transient')) {
      throw everyMemberFailed(workload, failures);
    }
    await delay(WAIT_BETWEEN_ATTEMPTS_MILLISECONDS * attempt, undefined, { signal: ports.signal }).catch(() => {
      ports.signal.throwIfAborted();
    });
  }
}

/** undefined when every member failed; what went wrong is added to `failures`. */
async function takeFromAnyMember(
  workload: EtcdWorkload,
  ports: SnapshotPorts,
  failures: Failure[],
): Promise<TakenSnapshot | undefined> {
  const asked = await Promise.allSettled(workload.members.map((member) => askMember(workload, member, ports)));
  const candidates = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  try {
    for (const [index, answer] of asked.entries()) {
      if (answer.status === 'rejected') noteFailure(workload.members[index]?.pod ?? '', answer.reason, ports, failures);
    }
    if (candidates.length === 0) return undefined;
    const { order, reasons, warnings } = chooseMembers(candidates);
    for (const candidate of order) {
      let streamed: StreamedSnapshot;
      try {
        streamed = await storeSnapshot(candidate, ports);
      } catch (error) {
        noteFailure(candidate.pod, error, ports, failures);
        continue;
      }
      const { version, clusterId, memberId } = candidate.status;
      return {
        ...streamed,
        version,
        clusterId,
        memberId,
        memberPod: candidate.pod,
        memberChoice: [...reasons, ...failures.map(({ pod, error }) => `${pod}: failed, ${error.message}`)],
        warnings: [...warnings, ...missingMembers(candidate.memberList, candidates)],
      };
    }
    return undefined;
  } finally {
    await Promise.all(candidates.map(({ client }) => client.close()));
  }
}

/** Notes the failure of a member; any other error ends the whole work. */
function noteFailure(pod: string, error: unknown, { signal }: Reach, failures: Failure[]): void {
  signal.throwIfAborted();
  if (error instanceof UploadFailure) throw error.cause;
  if (!(error instanceof LifeboatError)) throw error;
  failures.push({ pod, error });
}

async function askMember(workload: EtcdWorkload, { pod, ready }: EtcdMemberPod, reach: Reach): Promise<Candidate> {
  const client = await connectMember(workload, pod, reach);
  try {
    const [status, memberList] = await Promise.all([client.status(), client.memberList()]);
    return { pod, ready, client, status, memberList };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Marks an error of the store, which another member would not help against. */
class UploadFailure extends Error {}

async function storeSnapshot({ pod, client, status }: Candidate, ports: SnapshotPorts): Promise<StreamedSnapshot> {
  const ofStore = <T>(work: Promise<T>): Promise<T> =>
    work.catch((cause: unknown) => Promise.reject(new UploadFailure('the upload failed', { cause })));
  const upload = await ofStore(ports.beginUpload(status.sizeBytes));
  try {
    const streamed = await streamSnapshot(
      client,
      { write: (chunk) => ofStore(upload.write(chunk)) },
      {
        member: pod,
        signal: ports.signal,
        ...(ports.onProgress === undefined ? {} : { onProgress: ports.onProgress }),
        ...(ports.watchdogMilliseconds === undefined ? {} : { watchdogMilliseconds: ports.watchdogMilliseconds }),
      },
    );
    await ofStore(upload.complete());
    return streamed;
  } catch (error) {
    // The first error is the one to report; a part that could not be removed is swept with the orphans.
    await upload.abort().catch(() => undefined);
    throw error;
  }
}

function missingMembers(memberList: readonly EtcdMember[], candidates: readonly Candidate[]): string[] {
  const answered = new Set(candidates.map(({ status }) => status.memberId));
  return memberList
    .filter(({ id }) => !answered.has(id))
    .map(({ id, name }) => `member ${name === '' ? id : name} is in etcd's member list but did not answer`);
}

function everyMemberFailed({ name, namespace }: EtcdWorkload, failures: readonly Failure[]): LifeboatError {
  const reasons = new Set(failures.map(({ pod, error }) => `${pod}: ${error.message}`));
  const message = `no snapshot of datastore ${name} in namespace "${namespace}": ${[...reasons].join('; ')}`;
  const errors = failures.map(({ error }) => error);
  const remedy = errors.find((error) => error.remedy !== undefined)?.remedy;
  const options = { cause: errors[0], ...(remedy === undefined ? {} : { remedy }) };
  if (errors.some((error) => error.kind === 'invariant')) return new CorruptSnapshotError(message, options);
  if (errors.some((error) => error.kind === 'transient')) return new DatastoreError(message, options);
  return errors.every((error) => error instanceof PermissionError)
    ? new PermissionError(message, options)
    : new NoUsableMemberError(message, options);
}
