import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, describe, expect, it } from '@jest/globals';
import { bundleFunctions } from '../../lib/bundles.ts';
import { FUNCTIONS_ON_CLUSTERS } from './functions-on-clusters.ts';

/** Goals of the design, section 9. */
const WITHOUT_CLUSTERS_BYTES = 0.6e6;
const WITH_CLUSTERS_BYTES = 2.2e6;
const ON_CLUSTERS = Object.values(FUNCTIONS_ON_CLUSTERS).flat();

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-bundles-'));
const { directories, metafile } = bundleFunctions(directory);
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const outputs = Object.keys(directories).map((name) => {
  const [, output] = Object.entries(metafile.outputs).find(([file]) => file.endsWith(`${name}/index.mjs`)) ?? [];
  if (output === undefined) throw new Error(`no bundle of ${name}`);
  return { name, sizeBytes: output.bytes, inputs: Object.keys(output.inputs) };
});

describe('the bundle of a function', () => {
  it.each(outputs)('$name stays small', ({ name, sizeBytes }) => {
    process.stdout.write(`${name}: ${(sizeBytes / 1e6).toFixed(2)} MB\n`);
    expect(sizeBytes).toBeLessThanOrEqual(ON_CLUSTERS.includes(name) ? WITH_CLUSTERS_BYTES : WITHOUT_CLUSTERS_BYTES);
  });

  it.each(outputs.filter(({ name }) => !ON_CLUSTERS.includes(name)))(
    '$name, which reaches no cluster, holds nothing that could',
    ({ inputs }) => {
      const forbidden = /lambdas\/(kube|platforms|datastores)\/|node_modules\/(ws|@kubernetes)\//;
      expect(inputs.filter((input) => forbidden.test(input))).toEqual([]);
    },
  );

  it.each(outputs.filter(({ name }) => ON_CLUSTERS.includes(name)))('$name holds our own client', ({ inputs }) => {
    expect(inputs.some((input) => input.includes('lambdas/kube/kube-api.ts'))).toBe(true);
    expect(inputs.filter((input) => input.includes('node_modules/@kubernetes/'))).toEqual([]);
  });

  // One that fails says that a release has grown smaller: look at docs/decisions.md again.
  it('would be larger than it may be with the Kubernetes client in it', () => {
    const handler = join(import.meta.dirname, '../../lambdas/handlers/plan-restore.ts');
    const { outputFiles } = buildSync({
      stdin: {
        contents: `export * from '${handler}'; export { KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      mainFields: ['module', 'main'],
      write: false,
    });
    const sizeBytes = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0);
    process.stdout.write(`plan-restore with it: ${(sizeBytes / 1e6).toFixed(2)} MB\n`);
    expect(sizeBytes).toBeGreaterThan(WITH_CLUSTERS_BYTES);
  });
});
