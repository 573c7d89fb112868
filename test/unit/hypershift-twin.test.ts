import { expect, it } from '@jest/globals';
import { covers } from '../testbed/hypershift/converge.ts';

it.each([
  ['an empty map that is absent', {}, { annotations: {} }, true],
  ['an empty list that is absent', {}, { ports: [] }, true],
  ['a field that only the object has', { type: 'Opaque', uid: 'a' }, { type: 'Opaque' }, true],
  ['an added item of a list', { args: ['a', 'b'] }, { args: ['a'] }, false],
  ['items where there shall be none', { ports: [1] }, { ports: [] }, false],
  ['a field that is absent', {}, { annotations: { a: 'b' } }, false],
  ['another value', { replicas: 0 }, { replicas: 1 }, false],
])('the twin compares what it wants with what there is: %s', (_, actual, desired, covered) => {
  expect(covers(actual, desired)).toBe(covered);
});
