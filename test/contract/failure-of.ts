import type { LifeboatError } from '../../lambdas/domain/errors.ts';

/** What the work fails with; rejects when it does not fail. */
export async function failureOf(work: Promise<unknown>): Promise<LifeboatError> {
  return work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as LifeboatError,
  );
}
