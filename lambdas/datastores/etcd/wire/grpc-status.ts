import type { IncomingHttpHeaders } from 'node:http2';
import { DatastoreError, PermissionError, type LifeboatError } from '../../../domain/errors.ts';

/** How a call ended, from its trailers, or from its headers when it has nothing else. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

const OK = 0;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** etcd takes no more writes: its file has reached the quota, or the alarm for that is raised still. */
export class EtcdFullError extends DatastoreError {}

/** undefined when these headers carry no status. The message is percent-encoded on the wire. */
export function readGrpcStatus(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const code = headers['grpc-status'];
  if (typeof code !== 'string' || !/^\d+$/.test(code)) return undefined;
  const message = headers['grpc-message'];
  return { code: Number(code), message: typeof message === 'string' ? decodePercent(message) : '' };
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// etcd's own messages (api/v3rpc/rpctypes/error.go) in our words; the text itself is never passed on.
const MESSAGES: readonly (readonly [RegExp, string])[] = [
  [/required revision has been compacted/, 'it has compacted the revision already'],
  [/required revision is a future revision/, 'it has not reached the revision yet'],
  [/no leader/, 'it knows no leader'],
  [/not supported for learner/, 'it is a learner, which does not answer this'],
  [/corrupt cluster/, 'it has found its data corrupt'],
  [/timed out/, 'it timed out'],
  [/stopped/, 'it is stopping'],
];

const CODES: Readonly<Record<number, string>> = {
  1: 'it cancelled the call',
  2: 'it failed without saying how (UNKNOWN)',
  4: 'it did not finish in time (DEADLINE_EXCEEDED)',
  8: 'it has no resources left (RESOURCE_EXHAUSTED)',
  12: 'it does not know this call (UNIMPLEMENTED)',
  13: 'it failed inside (INTERNAL)',
  14: 'it is not available (UNAVAILABLE)',
  15: 'it has lost data (DATA_LOSS)',
};

/** The error for a call that ended with this status; undefined when it ended well. */
export function errorForGrpcStatus(
  { code, message }: GrpcStatus,
  member: string,
  call: string,
): LifeboatError | undefined {
  if (code === OK) return undefined;
  const refused = code === PERMISSION_DENIED || code === UNAUTHENTICATED || /user name is empty/.test(message);
  if (refused) {
    return new PermissionError(`etcd member ${member} did not allow ${call}`, {
      remedy: "With etcd's authentication on, use a client certificate whose common name is a user with the role root.",
    });
  }
  if (/database space exceeded/.test(message)) {
    return new EtcdFullError(`etcd member ${member} did not answer ${call}: it takes no more writes (NOSPACE)`, {
      remedy: 'Defragment etcd or raise its quota, then disarm the alarm.',
    });
  }
  const known = MESSAGES.find(([pattern]) => pattern.test(message))?.[1];
  const why = known ?? CODES[code] ?? `it answered with gRPC status ${code}`;
  return new DatastoreError(`etcd member ${member} did not answer ${call}: ${why}`, {
    remedy: "Look at the member's log and health.",
  });
}
