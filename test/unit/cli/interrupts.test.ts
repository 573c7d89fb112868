import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import process from 'node:process';
import { Interrupts } from '../../../bin/local/interrupts.ts';

let told: string[];
let now: number;
let interrupts: Interrupts;

beforeEach(() => {
  told = [];
  now = 0;
  interrupts = new Interrupts(
    (sentence) => told.push(sentence),
    () => now,
  );
});
afterEach(() => {
  interrupts.close();
});

describe('an interruption that is held back', () => {
  it('only says so, and the next one ends, however often it was said that it is held back', () => {
    interrupts.holdBack('held back');
    process.emit('SIGINT');
    interrupts.holdBack('held back');
    expect(interrupts.signal.aborted).toBe(false);
    now += 1000;
    process.emit('SIGINT');
    expect(told).toEqual(['held back', 'Interrupted: ending.']);
    expect(interrupts.signal.aborted).toBe(true);
  });

  it('counts once when it comes twice at the same time: npm passes on what the terminal sends as well', () => {
    interrupts.holdBack('held back');
    process.emit('SIGINT');
    now += 20;
    process.emit('SIGINT');
    expect([told, interrupts.signal.aborted]).toEqual([['held back'], false]);
  });

  it('ends at once where nothing holds it back, and says so once', () => {
    process.emit('SIGTERM');
    now += 1000;
    process.emit('SIGTERM');
    expect([told, interrupts.signal.aborted]).toEqual([['Interrupted: ending.'], true]);
  });
});
