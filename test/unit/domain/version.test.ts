import { describe, expect, it } from '@jest/globals';
import { isNewerMinor, parseVersion } from '../../../lambdas/domain/version.ts';

describe('a version', () => {
  it.each([
    ['1.31.2', { major: 1, minor: 31, patch: 2 }],
    ['v1.31.2', { major: 1, minor: 31, patch: 2 }],
    ['4.21.3-rc.1', { major: 4, minor: 21, patch: 3 }],
    ['v1.31.2+k3s1', { major: 1, minor: 31, patch: 2 }],
    ['v1.31.2-eks-1234', { major: 1, minor: 31, patch: 2 }],
    ['3.6', { major: 3, minor: 6, patch: 0 }],
    ['4.21.0-0.nightly-2026-01-02-030405', { major: 4, minor: 21, patch: 0 }],
  ])('is read as written in %s', (text, version) => {
    expect(parseVersion(text)).toEqual(version);
  });

  it.each(['', 'latest', '4', 'v', 'release-1.31', '1.x', '1.31beta', '4.21.'])('is not read out of "%s"', (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  it.each([
    ['v1.32.0', 'v1.31.2', true],
    ['v1.32.0', '1.31.2', true],
    ['1.31.9', 'v1.31.2', false],
    ['v1.30.0', '1.31.2', false],
    ['1.31.2', 'v1.9.9', true],
    ['v2.0.0+k3s1', 'v1.31.2', true],
    ['4.21.3-rc.1', '4.21.3', false],
    ['4.21.3-rc.1', '4.20.9', true],
    ['latest', '1.31.2', undefined],
    ['1.31.2', 'latest', undefined],
  ])('%s is of a newer minor release than %s: %s', (version, than, isNewer) => {
    expect(isNewerMinor(version, than)).toBe(isNewer);
  });
});
