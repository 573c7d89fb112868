import { block } from '../description/block.ts';
import { describeMachine } from '../description/describe-machine.ts';
import {
  choose,
  evenIfItFails,
  fail,
  forEach,
  give,
  note,
  orElse,
  partsOf,
  pass,
  succeed,
  type Part,
} from '../description/parts.ts';
import { ANY_ERROR } from '../description/states.ts';
import { STEPS } from './steps.ts';

const { task } = partsOf(STEPS, { intervalSeconds: 5, attempts: 3, longestPauseSeconds: 60 });

/** What became of a control plane when a step has failed. */
const failed = (step: string, outcome: 'failed' | 'skipped', point: object) => ({
  ...pass('controlPlane'),
  outcome,
  step,
  ...point,
  'error.$': '$.failure.Error',
  'reason.$': '$.failure.Cause',
});
const NO_POINT = { point: null };
const ITS_POINT = { 'point.$': '$.point.id' };

/** A step whose failure is the outcome of the control plane. */
const failing = (part: Part, noted: string, point: object) =>
  orElse(part, '$.failure', [[ANY_ERROR, [note(noted, failed(part.start, 'failed', point), '$.outcome')]]]);

const LOCK = 'Lock the control plane';

const backUpOne = [
  orElse(
    task(LOCK, 'lock-control-plane', {
      parameters: { 'operation.$': '$.runId', ...pass('controlPlane'), purpose: 'backup' },
      result: '$.lock',
    }),
    '$.failure',
    [
      ['LockedError', [note('Note that it is skipped', failed(LOCK, 'skipped', NO_POINT))]],
      [ANY_ERROR, [note('Note that it was not locked', failed(LOCK, 'failed', NO_POINT))]],
    ],
  ),
  block({
    parts: [
      failing(
        task('Take the snapshot', 'take-snapshot', { result: '$.point' }),
        'Note that no snapshot was taken',
        NO_POINT,
      ),
      failing(
        task('Verify the recovery point', 'verify-recovery-point', { result: '$.verified' }),
        'Note that it was not verified',
        ITS_POINT,
      ),
      failing(
        task('Apply retention', 'apply-retention', { result: '$.retained' }),
        'Note that retention failed',
        ITS_POINT,
      ),
      note(
        'Note the success',
        { ...pass('controlPlane'), outcome: 'verified', step: null, ...ITS_POINT, error: null, reason: null },
        '$.outcome',
      ),
    ],
    always: [
      evenIfItFails(
        task('Release the control plane', 'release-control-plane', {
          comment: 'A lock that could not be released expires by itself.',
          result: null,
        }),
      ),
      give('Give the outcome', '$.outcome'),
    ],
  }),
];

export const machine = describeMachine(
  {
    comment:
      "Takes, verifies and prunes the recovery points of every control plane that a policy selects. One control plane's failure never stops another.",
    timeoutSeconds: 86_400,
  },
  [
    task('Plan the run', 'plan-run'),
    forEach('Back up every page', {
      items: '$.pages',
      item: { ...pass('runId'), 'page.$': '$$.Map.Item.Value' },
      atOnce: 2,
      result: null,
      parts: [
        task('Read the page', 'read-page'),
        forEach('Back up every control plane', {
          items: '$.controlPlanes',
          item: {
            ...pass('runId', 'policy', 'slot'),
            'controlPlane.$': '$$.Map.Item.Value.controlPlane',
            'platform.$': '$$.Map.Item.Value.platform',
          },
          atOnce: 5,
          result: '$.outcomes',
          parts: backUpOne,
        }),
        task('Record the page', 'record-page', { parameters: pass('runId', 'page', 'outcomes') }),
      ],
    }),
    choose('Are there more pages?', {
      variable: '$.nextPage',
      cases: [[[null], []]],
      otherwise: [
        task('Start the next part', 'start-next-part', {
          parameters: { ...pass('policy', 'slot'), 'firstPage.$': '$.nextPage' },
        }),
        succeed('The rest runs in an execution of its own'),
      ],
    }),
    task('Report the run', 'report-run', { parameters: pass('runId', 'policy', 'slot') }),
    choose('Was everything backed up?', {
      variable: '$.status',
      cases: [[['succeeded'], [succeed('All control planes are backed up')]]],
      otherwise: [
        fail('Some control planes are not backed up', {
          Error: 'PolicyRunIncomplete',
          Cause:
            'The result of the operation names every control plane and its reason; lifeboat status shows their newest verified recovery points.',
        }),
      ],
    }),
  ],
);
