import { describe, expect, it } from '@jest/globals';
import {
  describeError,
  errorAsJson,
  errorDocument,
  exitCodeFor,
  InterruptedError,
} from '../../../bin/output/exit-codes.ts';
import { formatBytes } from '../../../lambdas/domain/format-bytes.ts';
import { formatAge, formatDuration, formatTable } from '../../../bin/output/format.ts';
import { progressPrinter } from '../../../bin/output/progress.ts';
import { ConfigurationError, CorruptSnapshotError, TunnelError } from '../../../lambdas/domain/errors.ts';

describe('figures for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [403_701_792, '385.0 MiB'],
    [3 * 1024 ** 5, '3072.0 TiB'],
  ])('sizes in binary units: %d', (sizeBytes, text) => {
    expect(formatBytes(sizeBytes)).toBe(text);
  });

  it.each([
    [999, '999 ms'],
    [12_340, '12.3 s'],
    [250_000, '4 min 10 s'],
  ])('durations: %d ms', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it('ages in the largest unit that says enough, and never negative when clocks differ', () => {
    const now = new Date('2026-01-10T00:00:00Z');
    const ages = ['2026-01-09T23:59:20Z', '2026-01-09T23:48:00Z', '2026-01-09T19:00:00Z', '2026-01-07T00:00:00Z'];
    expect(ages.map((since) => formatAge(new Date(since), now))).toEqual(['40 s', '12 min', '5 h', '3 d']);
    expect(formatAge(new Date('2026-01-10T00:00:05Z'), now)).toBe('0 s');
  });

  it('tables in columns as wide as their widest cell', () => {
    expect(
      formatTable(
        ['ID', 'SIZE'],
        [
          ['a', '1'],
          ['abc', '10'],
        ],
      ),
    ).toBe('ID   SIZE\na    1\nabc  10');
  });

  it('rows that are wider than a terminal in several lines, names whole and sentences broken', () => {
    const name = 'management-cluster-in-frankfurt/clusters-of-the-payments-team/production-eu';
    const id = '20260101T000000Z-aaaa';
    const text = formatTable(
      ['CONTROL PLANE', 'POINT', 'DONE', 'REASONS'],
      [[name, id, 'deleted', `${'kept by no rule of the policy, '.repeat(4)}and older than all`]],
      80,
    );
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text.split('\n').slice(0, 4)).toEqual([
      'CONTROL PLANE',
      '  POINT                  DONE     REASONS',
      name,
      `  ${id}  deleted  kept by no rule of the policy, kept by no rule`,
    ]);
    expect(text.split('\n').at(-1)).toMatch(/^ {34}all$/);
  });

  it('rows as wide as the terminal allows in one line', () => {
    const rows = [['a'.repeat(60), 'b'.repeat(60)]];
    expect(formatTable(['A', 'B'], rows, 122).split('\n')).toHaveLength(2);
    expect(formatTable(['A', 'B'], rows, 121).split('\n')).toHaveLength(4);
  });
});

describe('an error on the command line', () => {
  it('has an exit code that says whether trying again makes sense', () => {
    expect(exitCodeFor(new TunnelError('cut'))).toBe(1);
    expect(exitCodeFor(new ConfigurationError('wrong'))).toBe(2);
    expect(exitCodeFor(new CorruptSnapshotError('damaged'))).toBe(3);
    expect(exitCodeFor(new TypeError('bug'))).toBe(4);
  });

  it('tells of a step that ran out of time as what it is', () => {
    const late = Object.assign(new Error('States.Timeout'), { name: 'States.Timeout' });
    expect(exitCodeFor(late)).toBe(1);
    expect(describeError(late)).toMatch(/^error: a step had not ended when its time was over\nnext: /);
    expect(errorAsJson(late)).toMatchObject({ error: { name: 'OutOfTimeError', kind: 'transient' } });
  });

  it('says what is wrong and what to do next', () => {
    const error = new ConfigurationError('no store', { remedy: 'Give one.' });
    expect(describeError(error)).toBe('error: no store\nnext:  Give one.');
    expect(JSON.parse(errorDocument(error))).toEqual({
      error: {
        name: 'ConfigurationError',
        kind: 'validation',
        message: 'no store',
        remedy: 'Give one.',
        exitCode: 2,
        configuration: null,
      },
    });
  });

  it('names the configuration in use', () => {
    const error = new ConfigurationError('no store', { remedy: 'Give one.' });
    expect(describeError(error, '/etc/lifeboat.yaml')).toBe(
      'error: no store\nnext:  Give one.\nusing: /etc/lifeboat.yaml',
    );
    expect(JSON.parse(errorDocument(error, '/etc/lifeboat.yaml'))).toMatchObject({
      error: { configuration: '/etc/lifeboat.yaml' },
    });
  });

  it('is one line for programs, also when a signal ended the command', () => {
    const text = errorDocument(new InterruptedError('interrupted; nothing was begun'));
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toMatchObject({ error: { name: 'InterruptedError', kind: 'interrupted', exitCode: 130 } });
  });

  it('keeps the text of an unexpected error to itself, which may hold a secret', () => {
    const error = new TypeError('bad header: Bearer hunter2');
    expect(describeError(error)).not.toContain('hunter2');
    expect(errorDocument(error)).not.toContain('hunter2');
    expect(describeError(error)).toContain('TypeError');
  });
});

describe('progress', () => {
  function printer(isTTY: boolean) {
    const output = { text: '', isTTY, write: (text: string) => (output.text += text) };
    let milliseconds = 0;
    const report = progressPrinter(output, () => milliseconds);
    return { output, report, wait: (passed: number) => (milliseconds += passed) };
  }

  it('away from a terminal is a line a phase, and a line every few seconds with rate and time left', () => {
    const { output, report, wait } = printer(false);
    report({ kind: 'phase-started', phase: 'snapshot', subject: 'datastore main' });
    for (let second = 0; second <= 4; second += 1) {
      report({ kind: 'bytes', phase: 'snapshot', doneBytes: second * 1024 ** 2, totalBytes: 10 * 1024 ** 2 });
      wait(1000);
    }
    report({ kind: 'phase-finished', phase: 'snapshot', milliseconds: 5000, outcome: 'all there' });
    const lines = output.text.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('3.0 MiB of 10.0 MiB (30 %), 1.0 MiB/s, 7.0 s left');
    expect(lines[1]).toContain('all there (5.0 s)');
    expect(output.text).not.toContain('\r');
  });

  it('away from a terminal tells what is waited for when it changes, and every 30 s', () => {
    const { output, report, wait } = printer(false);
    const told: number[] = [];
    for (let second = 0; second <= 70; second += 1) {
      const before = output.text.length;
      report({ kind: 'waiting', phase: 'swap-data', text: second < 5 ? 'pod a waits' : 'pod a waits: ErrImagePull' });
      if (output.text.length > before) told.push(second);
      wait(1000);
    }
    expect(told).toEqual([0, 5, 35, 65]);
    expect(output.text).toMatch(/^\[ +0\.0 s\] swap-data {2}waiting: pod a waits\n/);
  });

  it('tells of silence: on a terminal in one line that is renewed until it is over, elsewhere every 30 s', () => {
    const told = (isTTY: boolean) => {
      const { output, report, wait } = printer(isTTY);
      for (let seconds = 5; seconds <= 40; seconds += 1) {
        wait(1000);
        report({ kind: 'silence', from: 'the store', seconds, isOver: false });
      }
      report({ kind: 'silence', from: 'the store', seconds: 40, isOver: true });
      return output.text;
    };
    expect(told(false).replace(/\[ *\d+\.0 s\] /g, '')).toBe(
      'connection waiting: nothing heard for 5 s from the store\n' +
        'connection waiting: nothing heard for 35 s from the store\n' +
        'connection heard again after 40 s: the store\n',
    );
    const renewed = told(true).split('\r\u001b[2K').slice(1);
    expect(renewed).toHaveLength(37);
    expect(renewed.filter((line) => line.endsWith('\n'))).toEqual([
      expect.stringContaining('heard again after 40 s: the store'),
    ]);
  });

  it('on a terminal renews one line with what is waited for, never longer than the terminal is wide', () => {
    const { output, report, wait } = printer(true);
    for (let look = 0; look < 20; look += 1) {
      report({ kind: 'waiting', phase: 'swap-data', text: `pod a waits: ${'x'.repeat(200)}` });
      wait(250);
    }
    const written = output.text.split('\r\u001b[2K').slice(1);
    expect(output.text).not.toContain('\n');
    expect(written.map((line) => line.length)).toEqual([79, 79, 79, 79, 79]);
    expect(written[4]).toContain('4.0 s');
  });

  it('on a terminal rewrites one line until the phase is finished', () => {
    const { output, report, wait } = printer(true);
    report({ kind: 'phase-started', phase: 'snapshot', subject: 'datastore main' });
    wait(200);
    report({ kind: 'bytes', phase: 'snapshot', doneBytes: 1, totalBytes: 2 });
    report({ kind: 'phase-finished', phase: 'snapshot', milliseconds: 200, outcome: 'all there' });
    expect(output.text.split('\n')).toHaveLength(2);
    expect(output.text.split('\r').length).toBeGreaterThan(3);
  });
});
