import { describe, expect, it } from '@jest/globals';
import type { AslState, ChoiceRule } from './asl.ts';
import { alternativesOf } from './choices.ts';
import { objectShape, select, type Shape } from './shapes.ts';

const COUNT: Shape = { type: 'integer' };
const STATUS: Shape = { type: 'string', enum: ['paused', 'running'] };
const GIVEN: Shape = { ...objectShape([['status', STATUS]]), properties: { status: STATUS, bump: COUNT } };

function choice(...Choices: ChoiceRule[]): AslState {
  return { Type: 'Choice', Choices: Choices.map((rule) => ({ ...rule, Next: 'Met' })), Default: 'Unmet' };
}

/** Where a Choice may go, each with what is known there of a path. */
function waysOf(state: AslState, path: string): (readonly [to: string, shape: unknown])[] {
  return alternativesOf(state, GIVEN).map(({ to, shape }) => {
    try {
      return [to, select(shape, path)] as const;
    } catch (error) {
      return [to, (error as Error).message] as const;
    }
  });
}

const isPresent = { Variable: '$.bump', IsPresent: true };
const isPaused = { Variable: '$.status', StringEquals: 'paused' };

describe('what is known after a Choice', () => {
  it('is that an optional field is there, or is not', () => {
    expect(waysOf(choice(isPresent), '$.bump')).toEqual([
      ['Met', COUNT],
      ['Unmet', '$.bump leads nowhere: there is no "bump"'],
    ]);
    expect(waysOf(choice({ Not: isPresent }), '$.bump')).toEqual([
      ['Met', '$.bump leads nowhere: there is no "bump"'],
      ['Unmet', COUNT],
    ]);
  });

  it('is which of its values a field has', () => {
    expect(waysOf(choice(isPaused), '$.status')).toEqual([
      ['Met', { type: 'string', const: 'paused' }],
      ['Unmet', { type: 'string', const: 'running' }],
    ]);
  });

  it('is what all parts of And say, so that a field may be compared once it is known to be there', () => {
    const isBumped = { And: [isPresent, { Variable: '$.bump', NumericGreaterThan: 0 }] };
    expect(waysOf(choice(isBumped), '$.bump')).toEqual([
      ['Met', COUNT],
      ['Unmet', '$.bump leads nowhere: there is no "bump"'],
    ]);
  });

  it('is what any part of Or says', () => {
    expect(waysOf(choice({ Or: [isPaused, isPresent] }), '$.status').map(([to]) => to)).toEqual(['Met', 'Unmet']);
    expect(waysOf(choice({ Or: [isPaused, isPresent] }), '$.bump').at(-1)).toEqual([
      'Unmet',
      '$.bump leads nowhere: there is no "bump"',
    ]);
  });

  it.each<[what: string, state: AslState, message: string]>([
    ['compares what may be absent', choice({ Variable: '$.bump', NumericGreaterThan: 0 }), '"bump" is optional'],
    [
      'compares a text with a number',
      choice({ Variable: '$.status', NumericEquals: 1 }),
      'may be no integer or number',
    ],
    ['has a misspelt constant', choice({ ...isPaused, StringEquals: 'pause' }), 'can never be true'],
    ['has a rule after one that takes all', choice({ Or: [isPaused, { Not: isPaused }] }, isPresent), 'always true'],
    ['leaves a case to nobody', { Type: 'Choice', Choices: [{ ...isPaused, Next: 'Met' }] }, 'there is no Default'],
    [
      'tests what nobody knows',
      choice({ Variable: '$.status', Resembles: 'x' }),
      'nothing is known of the test Resembles',
    ],
  ])('is refused when it %s', (_, state, message) => {
    expect(() => alternativesOf(state, GIVEN)).toThrow(message);
  });
});
