import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfiguration } from '../../../bin/local/configuration-file.ts';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lifeboat-configuration-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(text: string): string {
  const file = join(directory, 'lifeboat.yaml');
  writeFileSync(file, text);
  return file;
}

function messageFor(text: string): string {
  const file = write(text);
  try {
    loadConfiguration(file, directory);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
}

const VALID = `store: ./recovery-points
managementClusters:
  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }
  mgmt-b: { secret: lifeboat/management-clusters/mgmt-b, restore: { kubeconfig: ./mgmt-b-restore.kubeconfig } }
`;

describe('lifeboat.yaml', () => {
  it('is found from the working directory upward, and its paths are relative to it', () => {
    const file = write(VALID);
    const below = join(directory, 'a', 'b');
    mkdirSync(below, { recursive: true });
    const loaded = loadConfiguration(undefined, below);
    expect(loaded.file).toBe(file);
    expect(loaded.resolvePath('./mgmt-a.kubeconfig')).toBe(join(directory, 'mgmt-a.kubeconfig'));
    expect(loaded.configuration.managementClusters['mgmt-b']).toEqual({
      secret: 'lifeboat/management-clusters/mgmt-b',
      restore: { kubeconfig: './mgmt-b-restore.kubeconfig' },
    });
  });

  it('is taken from --config relative to the working directory', () => {
    write(VALID);
    expect(loadConfiguration('lifeboat.yaml', directory).configuration.store).toBe('./recovery-points');
  });

  it('that is missing says what to put there', () => {
    expect(() => loadConfiguration(undefined, directory)).toThrow(/no lifeboat.yaml/);
    expect(() => loadConfiguration('other.yaml', directory)).toThrow(/other.yaml does not exist/);
  });

  it.each([
    ['an unknown key', `${VALID}retention: 3\n`, /lifeboat\.yaml:5:1: unknown key "retention"/],
    [
      'an unknown key further down',
      VALID.replace('secret:', 'secrte:'),
      /lifeboat\.yaml:4:3: "managementClusters.mgmt-b": give exactly one/,
    ],
    ['a value of another type', VALID.replace('./recovery-points', '[1]'), /lifeboat\.yaml:1:1: "store": .*string/],
    ['a missing part', 'store: ./here\n', /lifeboat\.yaml:1:1: "managementClusters" is missing/],
    ['broken YAML', 'store: [\n', /lifeboat\.yaml:\d+:\d+: not valid YAML/],
    ['nothing at all', '', /lifeboat\.yaml:1:1: "store" is missing/],
    [
      'two ways to one cluster',
      VALID.replace('{ secret', '{ kubeconfig: ./x, secret'),
      /lifeboat\.yaml:4:3.*exactly one/,
    ],
    [
      'two ways to one cluster for restores',
      VALID.replace('restore: {', 'restore: { secret: x,'),
      /lifeboat\.yaml:4:\d+.*exactly one/,
    ],
    [
      'a cluster name that can be no path',
      VALID.replace('mgmt-a:', '../a:'),
      /lifeboat\.yaml:3:3: "managementClusters\.\.\.\/a": use lower-case/,
    ],
  ])('with %s is refused with file, line and column', (_what, text, expected) => {
    expect(messageFor(text)).toMatch(expected);
  });
});
