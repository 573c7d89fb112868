import { describe, expect, it } from '@jest/globals';
import { findLeaks } from '../suite/planted-secrets.ts';

describe('the search for planted secrets', () => {
  const key = '-----BEGIN KEY-----\nMHcCAQEEIA1234567890abcdef\n-----END KEY-----\n';
  const token = 'eyJhbGciOiJSUzI1NiJ9.payload';

  it.each([
    ['as it is', `login with ${token} failed`],
    ['in base64', `data: ${Buffer.from(token).toString('base64')}`],
    ['as one line of a key', 'parse error near MHcCAQEEIA1234567890abcdef'],
  ])('finds a secret %s', (_form, text) => {
    expect(findLeaks(text, [key, token])).toHaveLength(1);
  });

  it('finds nothing where there is none, and does not repeat what it found', () => {
    expect(findLeaks('-----BEGIN KEY----- [secret] -----END KEY-----', [key, token])).toEqual([]);
    expect(findLeaks(token, [token]).join()).not.toContain(token);
  });
});
