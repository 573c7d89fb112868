import { beforeAll, describe, expect, it } from '@jest/globals';
import type { MachineEvent } from '../../bin/local/machine.ts';
import { CONTROL_PLANES_A_PAGE, PAGES_A_PART } from '../../lambdas/domain/policy-run.ts';
import { parseAsl } from './asl.ts';
import { runFullPages } from './full-pages.ts';

/** Of one execution; after them it has failed (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). */
const HISTORY_LIMIT_EVENTS = 25_000;
/** ExecutionRedriven, and one more (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html). */
const REDRIVE_EVENTS = 2;
/** That the function of a Task was scheduled, was started, and how it ended. */
const ATTEMPT_EVENTS = 3;
/** In a bad night every control plane needs two more at two of its steps. */
const MORE_ATTEMPTS = 2 * 2;

/** How many events of Step Functions' history stand for one of the engine. */
function historyEvents(event: MachineEvent): number {
  if (event.type !== 'StateEntered') return 1;
  if (event.state.type === 'Task') return 1 + ATTEMPT_EVENTS;
  // MapStateStarted and MapStateSucceeded come on top.
  return event.state.type === 'Map' ? 3 : 1;
}

async function historyOf(pages: number): Promise<number> {
  const { error, events } = await runFullPages({ pages, nextPage: pages });
  expect(error).toBeUndefined();
  return events.reduce((sum, event) => sum + historyEvents(event), 0);
}

describe('the history of one execution of back-up-fleet', () => {
  let ofPage: number;
  let ofTheRest: number;
  beforeAll(async () => {
    const [one, two] = [await historyOf(1), await historyOf(2)];
    ofPage = two - one;
    ofTheRest = one - ofPage;
  });

  it('has room for a bad night over all pages of a part and its redrive, and for no page more', () => {
    const ofBadPage = ofPage + CONTROL_PLANES_A_PAGE * MORE_ATTEMPTS * ATTEMPT_EVENTS;
    // A redrive runs iterations again that had failed or were under way (API reference of RedriveExecution).
    const redrivenPages = parseAsl('back-up-fleet').States['Back up every page']?.MaxConcurrency ?? Infinity;
    const room = HISTORY_LIMIT_EVENTS - ofTheRest - REDRIVE_EVENTS;
    const most = Math.floor(room / ofBadPage) - redrivenPages;
    const undisturbed = ofTheRest + PAGES_A_PART * ofPage;
    process.stderr.write(
      `${PAGES_A_PART * CONTROL_PLANES_A_PAGE} control planes in one execution: ${undisturbed} events undisturbed, ` +
        `${ofTheRest + PAGES_A_PART * ofBadPage} in a bad night, each redrive ${redrivenPages * ofBadPage} more at most\n`,
    );
    expect(PAGES_A_PART).toBe(most);
  });
});
