import { describe, expect, it } from '@jest/globals';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { startPolicyRunStep } from '../../../lambdas/handlers/start-policy-run.ts';
import { scheduleFired } from './aws-events.ts';

const ARN = 'arn:aws:states:eu-central-1:111122223333:stateMachine:back-up-fleet';
const configuration = configurationSchema.parse({
  store: 's3://backups',
  managementClusters: {},
  policies: { nightly: { schedule: '@daily', retention: { daily: 7 } } },
});

/** Starts what an event asks for; `started` is what Step Functions was told. */
async function start(event: unknown) {
  const started: unknown[] = [];
  const executions = {
    start: (...call: unknown[]) => {
      started.push(call);
      return Promise.resolve('started' as const);
    },
  };
  const ports = { configuration, executions, stateMachineArn: ARN, clock: () => new Date('2026-01-02T03:00:10Z') };
  const answer = await startPolicyRunStep.run(event, ports);
  return { answer, started };
}

describe('the function that a schedule starts', () => {
  it('names the execution by policy and scheduled time, so that the same slot is the same execution', async () => {
    const { answer, started } = await start(scheduleFired('nightly', '2026-01-02T03:00:00Z'));
    expect(answer).toEqual({ runId: 'nightly-20260102T030000Z', outcome: 'started' });
    expect(started).toEqual([[ARN, 'nightly-20260102T030000Z', { policy: 'nightly', slot: '2026-01-02T03:00:00Z' }]]);
  });

  it.each([
    ['a policy that is not configured', scheduleFired('weekly', '2026-01-02T03:00:00Z'), 'there is no policy "weekly"'],
    ['a time that was not filled in', scheduleFired('nightly', '<aws.scheduler.scheduled-time>'), 'slot'],
    ['no slot', { policy: 'nightly' }, 'slot'],
    ['a slot in the future', scheduleFired('nightly', '2026-01-03T03:00:00Z'), 'is in the future'],
    ['nothing', undefined, 'expected object'],
  ])('refuses %s', async (_, event, reason) => {
    await expect(start(event)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining(reason) as unknown,
    });
  });
});
