import { describe, expect, it } from '@jest/globals';
import { startNextPartStep } from '../../../lambdas/handlers/start-next-part.ts';

const ARN = 'arn:aws:states:eu-central-1:111122223333:stateMachine:lifeboat-back-up-fleet';
const PART = { policy: 'nightly', slot: '2026-01-02T03:00:00Z', firstPage: 12 };

/** Starts what an event asks for; `started` is what Step Functions was told. */
async function start(event: unknown, outcome: 'started' | 'already-started' = 'started') {
  const started: unknown[] = [];
  const executions = {
    start: (...call: unknown[]) => {
      started.push(call);
      return Promise.resolve(outcome);
    },
  };
  return { answer: await startNextPartStep.run(event, { executions, stateMachineArn: ARN }), started };
}

describe('the function that starts the next part of a run', () => {
  it('names the execution by run and page, so that the same part is the same execution', async () => {
    const { answer, started } = await start(PART);
    expect(answer).toEqual({ execution: 'nightly-20260102T030000Z-12' });
    expect(started).toEqual([[ARN, 'nightly-20260102T030000Z-12', PART]]);
    expect((await start(PART, 'already-started')).answer).toEqual(answer);
  });

  it('finds a name that Step Functions takes for the longest policy and the last of a million pages', async () => {
    const { answer } = await start({ ...PART, policy: 'p'.repeat(32), firstPage: 999_999 });
    expect(answer.execution.length).toBeLessThanOrEqual(80);
  });

  it.each([
    ['the first page, which is no next part', { ...PART, firstPage: 0 }, 'firstPage'],
    ['no page', { policy: PART.policy, slot: PART.slot }, 'firstPage'],
    ['a time that is none', { ...PART, slot: 'tonight' }, 'slot'],
  ])('refuses %s', async (_, event, reason) => {
    await expect(start(event)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining(reason) as unknown,
    });
  });
});
