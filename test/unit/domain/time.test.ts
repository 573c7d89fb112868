import { describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';
import { formatTime, isPast, parsePastTime, parseTime } from '../../../lambdas/domain/time.ts';

describe('a time that a person gives', () => {
  it.each([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02T03:04:05+01:00', '2026-01-02T02:04:05.000Z'],
    ['2026-01-01T20:34:05-06:30', '2026-01-02T03:04:05.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ])('is read as RFC 3339 has it: %s', (text, expected) => {
    expect(parseTime(text).toISOString()).toBe(expected);
  });

  it.each([
    ['without a zone', '2026-01-02T03:04:05'],
    ['without a time', '2026-01-02'],
    ['without seconds', '2026-01-02T03:04Z'],
    ['with a space', '2026-01-02 03:04:05Z'],
    ['in a local form', '01/02/2026'],
    ['in words', 'Jan 2 2026 03:04:05 GMT'],
    ['of a day that no month has', '2026-02-30T00:00:00Z'],
    ['of a day that this year does not have', '2026-02-29T00:00:00Z'],
    ['of an hour that no day has', '2026-01-02T24:00:00Z'],
    ['of the leap second', '2016-12-31T23:59:60Z'],
    ['as a number', '1767323045'],
    ['as a year', '2026'],
    ['with something after it', '2026-01-02T03:04:05Z and more'],
    ['that is empty', ''],
  ])('is refused %s, with an example', (_, text) => {
    expect(() => parseTime(text)).toThrow(ConfigurationError);
    expect(() => parseTime(text)).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('2026-01-02T03:04:05Z') as unknown }),
    );
  });

  it('is refused in the future, where it has to have passed; clocks may differ a little', () => {
    const now = new Date('2026-01-02T03:04:05.678Z');
    expect(parsePastTime('2026-01-02T03:05:00Z', now)).toEqual(new Date('2026-01-02T03:05:00Z'));
    expect(() => parsePastTime('2026-01-02T03:06:00Z', now)).toThrow(
      '2026-01-02T03:06:00Z is in the future: it is 2026-01-02T03:04:05Z now',
    );
    expect(isPast(new Date('2026-01-02T03:06:00Z'), now)).toBe(false);
  });

  it('is written as it may be given again', () => {
    const text = formatTime(new Date('2026-01-02T03:04:05.678Z'));
    expect(text).toBe('2026-01-02T03:04:05Z');
    expect(formatTime(parseTime(text))).toBe(text);
  });
});
