import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '../../../lambdas/domain/secret.ts';

describe('a secret', () => {
  it('shows a marker however it is printed', () => {
    const secret = new Secret('hunter2');
    const printed = [String(secret), JSON.stringify({ secret }), inspect({ secret })];
    for (const text of printed) {
      expect(text).toContain('[secret]');
      expect(text).not.toContain('hunter2');
    }
  });

  it('gives its value to the one who asks for it', () => {
    expect(new Secret('hunter2').reveal()).toBe('hunter2');
  });
});
