import { block } from '../description/block.ts';
import { describeMachine } from '../description/describe-machine.ts';
import {
  choose,
  evenIfItFails,
  fail,
  give,
  goTo,
  note,
  orElse,
  partsOf,
  pass,
  type Part,
} from '../description/parts.ts';
import { AFTER_ANYTHING, AFTER_ANYTHING_BUT_LOCKS } from '../description/retries.ts';
import { ANY_ERROR } from '../description/states.ts';
import { STEPS, type LimitedStep } from './steps.ts';

const { task, repeatUntilDone } = partsOf(STEPS, { intervalSeconds: 2, attempts: 4, longestPauseSeconds: 20 });

const RESTORE = pass('operation', 'controlPlane', 'platform', 'point', 'planSha256');
const LOCKED = { ...RESTORE, ...pass('lock') };
const FORWARD = { ...LOCKED, direction: 'forward' };
const BACK = { ...LOCKED, direction: 'back' };
const WHICH_WAY = 'Which way does it go?';

type Rounds = readonly [asks: string, waits: string];
const forward = (name: string, step: LimitedStep, rounds: Rounds, options: object = {}) =>
  repeatUntilDone(name, step, rounds, { parameters: FORWARD, ...options });
const back = (name: string, step: LimitedStep, rounds: Rounds) =>
  repeatUntilDone(name, step, rounds, { parameters: BACK, retry: AFTER_ANYTHING });

/** A part whose failure is noted, and what follows then. */
const failing = (part: Part, noted: string, then: Part) => {
  const failure = { step: part.start, 'error.$': '$.caught.Error', 'reason.$': '$.caught.Cause' };
  return orElse(part, '$.caught', [[ANY_ERROR, [note(noted, failure, '$.failure'), then]]]);
};
const abandoned = (noted: string) =>
  note(noted, { step: WHICH_WAY, error: 'Abandoned', reason: 'the restore was abandoned' }, '$.failure');
/** How a restore ends that has failed, for the report. */
const end = (noted: string, outcome: string, failureOnTheWayBack: object | null = null) =>
  note(noted, { outcome, 'failure.$': '$.failure', failureOnTheWayBack }, '$.end');

/** One way back for all: a restore that goes on may fail early although it has exchanged the data before. */
const takeBack = goTo('Fence the control plane again');

const plan = task('Plan the restore', 'plan-restore', {
  comment: 'Touches nothing: what it refuses leaves the control plane as it is.',
  parameters: { 'execution.$': '$$.Execution.Name', 'request.$': '$' },
});
const lock = task('Lock the control plane', 'lock-control-plane', {
  parameters: { ...pass('operation', 'controlPlane'), purpose: 'restore' },
  result: '$.lock',
  retry: AFTER_ANYTHING_BUT_LOCKS,
});
const mark = task('Mark the control plane', 'mark-control-plane', {
  comment:
    'Two stores are two sets of locks: the mark in the management cluster is seen with each. Nothing is touched without it, not even to tidy up.',
  parameters: LOCKED,
  result: null,
  retry: AFTER_ANYTHING_BUT_LOCKS,
});
const whichWay = choose(WHICH_WAY, {
  comment: 'A restore that is abandoned goes back, as far as nobody can have written since.',
  variable: '$.way',
  cases: [
    [['forward'], []],
    [['back'], [abandoned('Note that it is taken back'), takeBack]],
    [['start'], [abandoned('Note that it is started again'), goTo('Start the old datastore')]],
  ],
  otherwise: [abandoned('Note that it is left'), goTo('Leave the control plane as it was')],
});
const prepare = forward('Prepare the data', 'prepare-data', ['Are the data prepared?', 'Wait for the data'], {
  everySeconds: 2,
});
const fence = forward('Fence the control plane', 'fence-control-plane', [
  'Is the control plane fenced?',
  'Wait for the fence',
]);
const keep = task('Take the safety recovery point', 'take-safety-point', { parameters: FORWARD, result: '$.safety' });
const stop = forward('Stop the datastore', 'stop-datastore', [
  'Has the datastore stopped?',
  'Wait for the end of the datastore',
]);
const swap = forward('Swap the data', 'swap-data', ['Are the data swapped?', 'Wait for the swap']);
const start = forward('Start the datastore', 'start-datastore', [
  'Does the datastore serve?',
  'Wait for the datastore',
]);
const serve = forward('Start the control plane', 'start-control-plane', [
  'Does the control plane serve?',
  'Wait for the control plane',
]);
const finish = forward('Finish the restore', 'finish-restore', ['Is the restore finished?', 'Wait for the finish'], {
  retry: AFTER_ANYTHING,
});

const putBack = [
  back('Fence the control plane again', 'fence-control-plane', [
    'Is the control plane fenced again?',
    'Wait for the fence again',
  ]),
  back('Stop the datastore again', 'stop-datastore', [
    'Has the datastore stopped again?',
    'Wait for the end of the datastore again',
  ]),
  back('Put the old data back', 'swap-data', ['Are the old data back?', 'Wait for the old data']),
  back('Start the old datastore', 'start-datastore', ['Does the old datastore serve?', 'Wait for the old datastore']),
  back('Start the old control plane', 'start-control-plane', [
    'Does the old control plane serve?',
    'Wait for the old control plane',
  ]),
  back('Leave the control plane as it was', 'finish-restore', ['Is it as it was?', 'Wait until it is as it was']),
  end('Note that all is as before', 'rolled-back'),
];
const clearAway = [
  back('Clear away what was prepared', 'finish-restore', ['Is it cleared away?', 'Wait until it is cleared away']),
  end('Note that nothing was begun', 'not-begun'),
];
/**
 * A restore whose fence stands from an earlier run keeps lock, mark and pause: given back it would look as if somebody could have
 * written, and nothing could go on any more.
 */
const unlessFenced = (name: string, otherwise: string, later: readonly Part[]) =>
  choose(name, {
    comment: 'A restore that was fenced before and fails before its fence may go on later.',
    variable: '$.stage',
    cases: [[['fenced'], later]],
    otherwise: [goTo(otherwise)],
  });
const goesOnLater = unlessFenced('Was it fenced before?', 'Note that nothing was begun', [
  end('Note that it may go on later', 'not-begun'),
  goTo('Report the restore'),
]);
const stillFenced = unlessFenced('Is it still fenced?', 'Clear away what was prepared', [
  goTo('Note that it may go on later'),
]);
const CAUGHT_AGAIN = { 'error.$': '$.caughtAgain.Error', 'reason.$': '$.caughtAgain.Cause' };

const release = task('Release the control plane', 'release-control-plane', {
  comment: 'A lock that could not be released expires by itself.',
  result: null,
  retry: AFTER_ANYTHING,
});
const report = task('Report the restore', 'report-restore', {
  parameters: {
    ...RESTORE,
    'outcome.$': '$.end.outcome',
    'failure.$': '$.end.failure',
    'failureOnTheWayBack.$': '$.end.failureOnTheWayBack',
  },
  result: '$.result',
  retry: AFTER_ANYTHING,
});

export const machine = describeMachine(
  {
    comment:
      'Restores a control plane in place from a recovery point. Any failure from the fence on puts everything back as it was and raises the first error.',
    timeoutSeconds: 86_400,
  },
  [
    plan,
    lock,
    block({
      parts: [
        failing(mark, 'Note that the control plane was not marked', goesOnLater),
        whichWay,
        failing(prepare, 'Note that the data were not prepared', stillFenced),
        failing(fence, 'Note that the fence does not stand', takeBack),
        failing(keep, 'Note that no safety recovery point was taken', takeBack),
        failing(stop, 'Note that the datastore did not stop', takeBack),
        failing(swap, 'Note that the data were not swapped', takeBack),
        failing(start, 'Note that the datastore did not start', takeBack),
        failing(serve, 'Note that the control plane did not start', takeBack),
      ],
      undo: {
        ways: [putBack, clearAway],
        caught: '$.caughtAgain',
        stuck: [end('Note where it is stuck', 'stuck', CAUGHT_AGAIN)],
      },
      committed: [
        failing(finish, 'Note that the restore was not finished', end('Note that something is left', 'unfinished')),
        note('Note the success', { outcome: 'restored', failure: null, failureOnTheWayBack: null }, '$.end'),
      ],
      always: [evenIfItFails(release), report],
    }),
    choose('Is the control plane restored?', {
      variable: '$.result.outcome',
      cases: [[['restored', 'abandoned'], [give('Give the result', '$.result')]]],
      otherwise: [
        fail('Raise the first error', { ErrorPath: '$.end.failure.error', CausePath: '$.end.failure.reason' }),
      ],
    }),
  ],
);
