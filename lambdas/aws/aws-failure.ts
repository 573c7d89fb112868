/** What matters of an error of one of AWS's clients: never its text, its headers or its request. */
export interface AwsFailure {
  /** The service's or Node's code, e.g. `AccessDenied`, `ECONNRESET`; `HTTP 403` when the answer carried none (HEAD has no body). */
  readonly code: string;
  /** undefined when there was no answer. */
  readonly status: number | undefined;
  /** What the service's operator needs to find the request in their logs. */
  readonly requestId: string | undefined;
  readonly retryable: boolean;
  /** The service may have done what was asked without our hearing of it. */
  readonly mayHaveHappened: boolean;
}

/** The code for what we gave up ourselves: no answer within the time of one attempt. */
export const TIMED_OUT = 'TimedOut';

// Those that come with 400, or without a status in an entry of an answer, so that the status does not tell.
const RETRYABLE_CODES = new Set([
  'RequestTimeout',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'KmsThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequests',
  'TooManyRequestsException',
  'InternalFailure',
  'InternalException',
  'ServiceUnavailable',
  // Two conditional writes met; the loser is told to try again.
  'ConditionalRequestConflict',
  'OperationAborted',
  // The bytes did not arrive as they were sent.
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
]);
const NO_ANSWER_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
  'TimeoutError',
  TIMED_OUT,
]);
const NOT_CONNECTED_CODES = new Set(['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']);
const NOT_IMPLEMENTED = 501;

export function describeFailure(error: unknown): AwsFailure {
  const status = readStatus(error);
  const code = readCode(error, status);
  const serverFault = status !== undefined && (status >= 500 || status === 429) && status !== NOT_IMPLEMENTED;
  const noAnswer = NO_ANSWER_CODES.has(code);
  return {
    code,
    status,
    requestId: readRequestId(error),
    retryable:
      serverFault ||
      noAnswer ||
      RETRYABLE_CODES.has(code) ||
      NOT_CONNECTED_CODES.has(code) ||
      // The client has learnt from the refusal what time it is, and will sign with that.
      readField(readField(error, '$metadata'), 'clockSkewCorrected') === true,
    mayHaveHappened: serverFault || noAnswer,
  };
}

/** In parentheses at the end of a message: what a person can search for. */
export function formatFailure({ code, status, requestId }: AwsFailure): string {
  const answer = status === undefined || code.startsWith('HTTP') ? [] : [`HTTP ${status}`];
  return [code, ...answer, ...(requestId === undefined ? [] : [`request ${requestId}`])].join(', ');
}

function readStatus(error: unknown): number | undefined {
  const status = readField(readField(error, '$metadata'), 'httpStatusCode');
  return typeof status === 'number' ? status : undefined;
}

function readRequestId(error: unknown): string | undefined {
  const requestId = readField(readField(error, '$metadata'), 'requestId');
  return isPlainWord(requestId) ? requestId : undefined;
}

// Error classes of the client, and what it calls an answer without a code; none of them tells anything.
const MEANINGLESS_NAMES = new Set(['Error', 'AggregateError', 'TypeError', 'SyntaxError', 'Unknown', 'UnknownError']);

function readCode(error: unknown, status: number | undefined): string {
  const candidates = [readField(error, 'code'), readField(error, 'name')];
  const code = candidates.find((candidate) => isPlainWord(candidate) && !MEANINGLESS_NAMES.has(candidate));
  if (typeof code === 'string' && !/^\d+$/.test(code)) return code;
  if (status !== undefined) return `HTTP ${status}`;
  return isMissingRegion(error) ? 'MissingRegion' : 'unknown';
}

/** The client throws a bare Error for it. */
function isMissingRegion(error: unknown): boolean {
  const message = readField(error, 'message');
  return typeof message === 'string' && message.startsWith('Region is missing');
}

/** Codes and request ids are words; whatever is not may be text of the server's. */
function isPlainWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:+/=-]{1,128}$/.test(value);
}

function readField(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
}
