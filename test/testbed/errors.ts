import { InvariantError } from '../../lambdas/domain/errors.ts';

/** Something of the test bed does not start, stop or answer as it must; `remedy` says what to look at. */
export class TestbedError extends InvariantError {
  override readonly name = 'TestbedError';
}

/**
 * The `code` of a system error, e.g. ENOENT. Not by instanceof: under Jest the errors of Node's own modules are of another
 * realm than ours.
 */
export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
