import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import process from 'node:process';
import { Interrupts } from '../../../bin/local/interrupts.ts';

let told: string[];
let interrupts: Interrupts;

beforeEach(() => {
  told = [];
  interrupts = new Interrupts((sentence) => told.push(sentence));
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
    process.emit('SIGINT');
    expect(told).toEqual(['held back', 'Interrupted: ending.']);
    expect(interrupts.signal.aborted).toBe(true);
  });

  it('ends at once where nothing holds it back, and says so once', () => {
    process.emit('SIGTERM');
    process.emit('SIGTERM');
    expect([told, interrupts.signal.aborted]).toEqual([['Interrupted: ending.'], true]);
  });
});
