import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { runMachine } from '../../bin/local/machine.ts';
import { TunnelError } from '../../lambdas/domain/errors.ts';
import { block } from '../../statemachines/description/block.ts';
import { describeMachine, type Machine } from '../../statemachines/description/describe-machine.ts';
import { filesOf, MACHINE_NAMES } from '../../statemachines/description/files.ts';
import {
  choose,
  evenIfItFails,
  fail,
  goTo,
  note,
  orElse,
  partsOf,
  succeed,
  type Part,
} from '../../statemachines/description/parts.ts';
import { pictureOf } from '../../statemachines/description/picture.ts';
import { ANY_ERROR } from '../../statemachines/description/states.ts';
import type { Steps } from '../../statemachines/description/step.ts';
import * as asl from './asl.ts';
import { errorNamed } from './scripted-run.ts';

describe('what is made from the descriptions', () => {
  it('is there for every machine', () => {
    expect(MACHINE_NAMES.length).toBeGreaterThan(0);
    expect([...MACHINE_NAMES].sort()).toEqual([...asl.MACHINE_NAMES].sort());
  });

  it.each(MACHINE_NAMES)('is what lies in the folder of %s; else "npm run machines" writes it', async (name) => {
    const files = await filesOf(name);
    expect(files.map(({ path }) => path.split('/').at(-1))).toEqual(['machine.asl.json', 'README.md']);
    for (const { path, text } of files) expect(await readFile(path, 'utf8')).toBe(text);
  });
});

/** A machine with a commit point, as a migration has one: what is done before is undone, what comes after is only gone on with. */
const STEPS = {
  'load-target': { timeoutSeconds: 60, limitSeconds: 300 },
  'fence-source': { timeoutSeconds: 60 },
  'switch-names': { timeoutSeconds: 60 },
  'retire-source': { timeoutSeconds: 60 },
  'unfence-source': { timeoutSeconds: 60 },
  'clear-target': { timeoutSeconds: 60 },
  'release-both': { timeoutSeconds: 60 },
} as const satisfies Steps;
const { task, repeatUntilDone } = partsOf(STEPS, { intervalSeconds: 1, attempts: 2, longestPauseSeconds: 1 });

const failing = (part: Part, noted: string, ...then: readonly Part[]) =>
  orElse(part, '$.caught', [[ANY_ERROR, [note(noted, { failed: part.start }, '$.failure'), ...then]]]);
const ended = (noted: string, outcome: string) => note(noted, { outcome }, '$.end');
const kept = (name: string, step: keyof typeof STEPS) => task(name, step, { result: null });

function migration(afterwards: readonly Part[] = [ended('Note that it has to go on', 'unfinished')]): Machine {
  return describeMachine({ comment: 'Moves.', timeoutSeconds: 3600 }, [
    block({
      parts: [
        failing(
          repeatUntilDone('Load the target', 'load-target', ['Is the target loaded?', 'Wait for the target']),
          'Note that nothing is loaded',
          goTo('Clear the target'),
        ),
        failing(kept('Fence the source', 'fence-source'), 'Note that no fence stands', goTo('Open the source')),
        failing(kept('Switch the names', 'switch-names'), 'Note that names stay', goTo('Open the source')),
      ],
      undo: {
        ways: [
          [
            kept('Open the source', 'unfence-source'),
            kept('Clear the target', 'clear-target'),
            ended('Note that all is as before', 'rolled-back'),
          ],
        ],
        caught: '$.caughtAgain',
        stuck: [ended('Note where it is stuck', 'stuck')],
      },
      committed: [
        failing(kept('Retire the source', 'retire-source'), 'Note that the source is there', ...afterwards),
        ended('Note the success', 'migrated'),
      ],
      always: [evenIfItFails(kept('Release both', 'release-both'))],
    }),
    choose('Is it migrated?', {
      variable: '$.end.outcome',
      cases: [[['migrated'], [succeed('It is migrated')]]],
      otherwise: [fail('It is not migrated', { ErrorPath: '$.end.outcome', CausePath: '$.failure.failed' })],
    }),
  ]);
}

/** Runs it with some functions that fail for good; gives the error and the functions that were called. */
async function run(failures: Readonly<Record<string, Error>>, rounds = 1) {
  const machine = JSON.parse(JSON.stringify(migration())) as asl.Asl;
  const calls: string[] = [];
  const steps = Object.fromEntries(
    asl.tasksOf(machine).map(({ functionName }) => [
      functionName,
      {
        run: () => {
          calls.push(functionName);
          const failure = failures[functionName];
          if (failure !== undefined) return Promise.reject(failure);
          return Promise.resolve({ done: calls.filter((name) => name === functionName).length >= rounds });
        },
      },
    ]),
  );
  const error = await runMachine(machine, {}, steps, () => undefined, { pauseMilliseconds: 0 }).then(
    () => undefined,
    (failure: unknown) => failure as Error,
  );
  return { error: error?.name, reason: error?.message, calls };
}

describe('a machine that is described with a block, its undo and a commit point', () => {
  const defect = errorNamed('TypeError', 'a defect');
  const cases = [
    ['LoadTarget', 'rolled-back', 'Load the target', ['LoadTarget', 'ClearTarget', 'ReleaseBoth']],
    [
      'FenceSource',
      'rolled-back',
      'Fence the source',
      ['LoadTarget', 'FenceSource', 'UnfenceSource', 'ClearTarget', 'ReleaseBoth'],
    ],
    [
      'SwitchNames',
      'rolled-back',
      'Switch the names',
      ['LoadTarget', 'FenceSource', 'SwitchNames', 'UnfenceSource', 'ClearTarget', 'ReleaseBoth'],
    ],
    [
      'RetireSource',
      'unfinished',
      'Retire the source',
      ['LoadTarget', 'FenceSource', 'SwitchNames', 'RetireSource', 'ReleaseBoth'],
    ],
  ] as const;

  it('does its steps one after the other, each until it is done, and what it always does', async () => {
    expect(await run({}, 2)).toEqual({
      error: undefined,
      reason: undefined,
      calls: ['LoadTarget', 'LoadTarget', 'FenceSource', 'SwitchNames', 'RetireSource', 'ReleaseBoth'],
    });
  });

  it.each(cases)('ends after a failure of %s as %s', async (functionName, outcome, reason, calls) => {
    expect(await run({ [functionName]: defect })).toEqual({ error: outcome, reason, calls });
  });

  it('says that it is stuck when the undo fails as well, and still does what it always does', async () => {
    expect(await run({ SwitchNames: defect, UnfenceSource: defect })).toEqual({
      error: 'stuck',
      reason: 'Switch the names',
      calls: ['LoadTarget', 'FenceSource', 'SwitchNames', 'UnfenceSource', 'ReleaseBoth'],
    });
  });

  it('ends as it would when what may fail at last has failed', async () => {
    expect(await run({ ReleaseBoth: defect })).toMatchObject({ error: undefined });
  });

  it('tries again what may pass by itself', async () => {
    const { calls } = await run({ RetireSource: new TunnelError('cut') });
    expect(calls.filter((name) => name === 'RetireSource')).toHaveLength(3);
  });
});

describe('a description', () => {
  const level = (...parts: Part[]) => describeMachine({ comment: '', timeoutSeconds: 1 }, parts);

  it.each<[what: string, make: () => unknown, message: string]>([
    [
      'takes back what was committed',
      () => migration([goTo('Open the source')]),
      '"Open the source" takes back what was committed',
    ],
    [
      'takes back what was committed on a detour over what comes before',
      () => migration([goTo('Fence the source')]),
      'takes back what was committed',
    ],
    [
      'goes on with what is not there',
      () => level(task('Load the target', 'load-target'), goTo('Nowhere')),
      '"Load the target" goes on with "Nowhere"',
    ],
    [
      'names two states alike',
      () => level(task('Load it', 'load-target'), task('Load it', 'fence-source')),
      'two states of the name Load it',
    ],
    [
      'asks a step again that has no limit',
      () => repeatUntilDone('Switch', 'switch-names', ['Is it?', 'Wait']),
      'has no limit',
    ],
    [
      'leads a choice to the end',
      () => level(choose('Which?', { variable: '$.way', cases: [[['here'], []]], otherwise: [] })),
      '"Which?" must be followed by a state',
    ],
  ])('is refused when it %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('the picture of a machine', () => {
  let picture: string;
  beforeAll(() => {
    picture = pictureOf(migration());
  });

  it('shows every step once, those with rounds by a mark, and no state that only notes or waits', () => {
    expect(picture).toContain('LoadTheTarget["Load the target ↻"]');
    for (const name of ['Fence the source', 'Open the source', 'Release both'])
      expect(picture).toContain(`["${name}"]`);
    expect(picture).not.toMatch(/Note|Wait|loaded\?/);
  });

  it('shows the ways after a failure, with how they end', () => {
    expect(picture).toContain('LoadTheTarget --> FenceTheSource');
    expect(picture).toContain('LoadTheTarget -.-> ClearTheTarget');
    expect(picture).toContain('RetireTheSource -->|"migrated"| ReleaseBoth');
    expect(picture).toContain('RetireTheSource -.->|"unfinished"| ReleaseBoth');
    expect(picture).toContain('OpenTheSource -.->|"stuck"| ReleaseBoth');
    expect(picture.split('\n').filter((line) => line.includes('ReleaseBoth -'))).toEqual([
      '  ReleaseBoth --> IsItMigrated',
    ]);
  });
});
