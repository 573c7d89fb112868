/**
 * Every error that Lifeboat raises on purpose. `name` is the string that state machines match in `ErrorEquals`, so it is
 * set by hand: bundlers rename classes. A message says what failed, on what, why, and what to do next; it never carries
 * secrets or a client library's raw text.
 */

/** What a command line does with an error; see the exit codes in docs/commands.md. */
export type ErrorKind = 'validation' | 'transient' | 'invariant';

/**
 * Whether a state machine calls a step again after a transient error; `if-it-goes-on`: only one that goes on from where it was.
 * The machines' files are made from this (`npm run machines`).
 */
export type Retry = 'always' | 'if-it-goes-on' | 'never';

/** Base of all our errors. `kind` decides whether a retry makes sense: only `transient` is ever retried. */
export abstract class LifeboatError extends Error {
  abstract readonly kind: ErrorKind;
  /** What the person on call should do next, as one sentence. */
  readonly remedy: string | undefined;

  constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.remedy = options.remedy;
  }
}

/** What went wrong and what to do next, where one line has to say both. */
export function withRemedy({ message, remedy }: LifeboatError): string {
  return remedy === undefined ? message : `${message}. ${remedy}`;
}

/** The request or its configuration is wrong; trying again changes nothing. */
export abstract class ValidationError extends LifeboatError {
  readonly kind = 'validation';
}
/** The world was not ready; the same call may succeed later. */
export abstract class TransientError extends LifeboatError {
  static readonly retry: Retry = 'always';
  readonly kind = 'transient';
}
/** Something that must hold does not; a person has to look. */
export abstract class InvariantError extends LifeboatError {
  readonly kind = 'invariant';
}

/** `lifeboat.yaml` is missing, unreadable or says something it may not. */
export class ConfigurationError extends ValidationError {
  override readonly name = 'ConfigurationError';
}
/** A kubeconfig that we refuse to use, by name of what is wrong with it. */
export class KubeconfigError extends ValidationError {
  override readonly name = 'KubeconfigError';
}
/** A control plane, recovery point or object that was asked for does not exist. */
export class NotFoundError extends ValidationError {
  override readonly name = 'NotFoundError';
}
/** The API server, the datastore or the store refused our credentials or our permissions. */
export class PermissionError extends ValidationError {
  override readonly name = 'PermissionError';
}
/** Something a control plane refers to, or that a restore cannot live without, is not there. */
export class IdentityIncompleteError extends ValidationError {
  override readonly name = 'IdentityIncompleteError';
}
/** A snapshot file was asked about a revision that it does not hold: compacted away, or later than the snapshot. */
export class RevisionUnavailableError extends ValidationError {
  override readonly name = 'RevisionUnavailableError';
}
/** An object or a version is of a form that this version of Lifeboat does not know. */
export class UnsupportedError extends ValidationError {
  override readonly name = 'UnsupportedError';
}
/** No member of the datastore may be used for a snapshot. */
export class NoUsableMemberError extends ValidationError {
  override readonly name = 'NoUsableMemberError';
}

/** A recovery point may not be restored there: said before anything is touched. */
export class RestoreRefusedError extends ValidationError {
  override readonly name = 'RestoreRefusedError';
}

/** The API server did not answer, answered 429 or 5xx, or the connection broke. */
export class ClusterUnreachableError extends TransientError {
  override readonly name = 'ClusterUnreachableError';
}
/** The way through the API server to a pod failed or was cut. */
export class TunnelError extends TransientError {
  override readonly name = 'TunnelError';
}
/** A datastore's member answered with an error, stalled, or ended its stream early. */
export class DatastoreError extends TransientError {
  override readonly name = 'DatastoreError';
}
/** Another operation is at work on it: for minutes, so that another attempt within seconds is in vain. */
export class LockedError extends TransientError {
  static override readonly retry = 'never';
  override readonly name = 'LockedError';
}
/** The object store did not answer or answered 5xx. */
export class StoreUnavailableError extends TransientError {
  override readonly name = 'StoreUnavailableError';
}
/** The event bus did not take an event over: no answer, throttled or 5xx. */
export class EventsUnavailableError extends TransientError {
  override readonly name = 'EventsUnavailableError';
}
/** Another service of AWS (Step Functions, Scheduler, Secrets Manager) did not answer, throttled or answered 5xx. */
export class AwsUnavailableError extends TransientError {
  override readonly name = 'AwsUnavailableError';
}

/** A function's time was over before its work was. What goes on from where it was, goes on in another one. */
export class OutOfTimeError extends TransientError {
  static override readonly retry = 'if-it-goes-on';
  override readonly name = 'OutOfTimeError';
}

/** A conditional write lost: the key exists already, or is no longer what was read. */
export class ConflictError extends InvariantError {
  override readonly name = 'ConflictError';
}
/** Bytes are not what they must be: a hash, a size, a page or a proof does not agree. */
export class CorruptSnapshotError extends InvariantError {
  override readonly name = 'CorruptSnapshotError';
}
/** A check that must pass before the next step of an operation did not, or not in time. */
export class GateError extends InvariantError {
  override readonly name = 'GateError';
}
/** What an operation was to do is no longer what it was begun with. */
export class PlanChangedError extends InvariantError {
  override readonly name = 'PlanChangedError';
}
/** The object is under a retention lock. */
export class RetentionLockedError extends InvariantError {
  override readonly name = 'RetentionLockedError';
}
