import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import * as z from 'zod';
import { DatastoreError } from '../../lambdas/domain/errors.ts';
import { CONTROL_PLANES_A_PAGE, outcomeSchema, type Outcome } from '../../lambdas/domain/policy-run.ts';
import type { RunPorts } from '../../lambdas/operations/ports.ts';
import { recordPage } from '../../lambdas/policy-runs/report.ts';
import { lambdaFunction } from '../../lambdas/runtime/function.ts';
import { defineStep } from '../../lambdas/step.ts';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import { Journal } from '../../lambdas/store/journal.ts';
import { FULL_RUN, runFullPages } from './full-pages.ts';
import { errorNamed, largestPayload } from './scripted-run.ts';

/**
 * Of one state's input or output (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). What is above
 * ends the execution with States.DataLimitExceeded, which no Catch takes: one control plane would stop all others.
 */
const PAYLOAD_LIMIT_BYTES = 262_144;

/** What Step Functions gets of an error: the JSON that Lambda's runtime for Node makes of it. */
async function causeInLambda(error: Error): Promise<Error> {
  const log = jest.spyOn(console, 'error').mockReturnValue(undefined);
  const step = defineStep(z.unknown(), z.unknown(), () => Promise.reject(error));
  const handler = lambdaFunction(step, () => Promise.resolve({ ports: undefined, close: () => undefined }));
  const thrown = await handler({}, { getRemainingTimeInMillis: () => 60_000 }).then(
    () => Promise.reject(new Error('it did not fail')),
    (failure: unknown) => failure as Error,
  );
  log.mockRestore();
  const { name, message, stack = '' } = thrown;
  return errorNamed(name, JSON.stringify({ errorType: name, errorMessage: message, trace: stack.split('\n') }));
}

describe('the longest state of back-up-fleet', () => {
  it.each([
    ['ASCII', new DatastoreError('n'.repeat(20_000), { remedy: 'n'.repeat(1_000) })],
    ['characters that JSON escapes twice', new DatastoreError('"'.repeat(20_000), { remedy: '"'.repeat(1_000) })],
    ['characters of three bytes', new DatastoreError('€'.repeat(20_000), { remedy: '€'.repeat(1_000) })],
    ['a defect', new TypeError('n'.repeat(20_000))],
  ])('stays below the limit when a full page fails with endless reasons of %s', async (what, error) => {
    const reason = await causeInLambda(error);
    const { events } = await runFullPages({
      pages: 1,
      nextPage: null,
      failing: { functionName: 'ApplyRetention', error: reason },
    });
    const { state, bytes } = largestPayload(events);
    process.stderr.write(`${CONTROL_PLANES_A_PAGE} reasons of ${what}: at most ${bytes} bytes, at "${state}"\n`);
    expect(bytes).toBeLessThan(PAYLOAD_LIMIT_BYTES);
  });

  it('gives the page to be recorded the reason as Lambda wrapped it, of which the error’s own text is kept', async () => {
    const reason = await causeInLambda(new DatastoreError('the member stalled', { remedy: 'Look at its log.' }));
    const { recorded } = await runFullPages({
      pages: 1,
      nextPage: null,
      failing: { functionName: 'ApplyRetention', error: reason },
    });
    const { outcomes, ...page } = recorded as { runId: string; page: number; outcomes: readonly Outcome[] };
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-payload-'));
    try {
      const journal = new Journal(new DirectoryStore(directory), 'backup');
      await recordPage({ ...page, outcomes }, { journal } as RunPorts);
      const recordedPage = z.object({ outcomes: z.array(outcomeSchema) });
      const kept = await journal.read(FULL_RUN.runId, 'steps/record-page/0', recordedPage);
      expect(kept?.outcomes[0]).toMatchObject({
        error: 'DatastoreError',
        reason: 'the member stalled. Look at its log.',
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
