import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sampleKeys } from '../../../lambdas/datastores/etcd/file/key-sample.ts';
import { keySampleSchema } from '../../../lambdas/domain/keyspace-difference.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { writeBoltFile } from './bolt-writer.ts';
import { type Change, entriesOf, etcdBuckets } from './history.ts';
import { temporaryFiles, withTrailer } from './snapshot-fixture.ts';

// Properties take seconds where other suites run beside them.
const write = temporaryFiles();

function snapshotOf(transactions: readonly (readonly Change[])[]): string {
  return write(withTrailer(writeBoltFile(etcdBuckets(entriesOf(transactions)), { mostEntries: 9 })));
}

function put(key: string, value = `k8s\0 ${key}`): Change {
  return { key, value: Buffer.from(value) };
}

function many(resource: string, count: number): Change[] {
  return Array.from({ length: count }, (_, number) => put(`/registry/${resource}/ns/${number}`));
}

async function keysOf(transactions: readonly (readonly Change[])[], count: number): Promise<string[]> {
  return (await sampleKeys(snapshotOf(transactions), count, randomNumbers(seed))).map(({ key }) => key);
}

function countByResource(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, , resource = ''] of keys.map((key) => key.split('/'))) counts[resource] = (counts[resource] ?? 0) + 1;
  return counts;
}

describe('the sample of keys of a snapshot', () => {
  it('has of each the hash of its value', async () => {
    const value = Buffer.from('k8s\0 second');
    const sample = await sampleKeys(
      snapshotOf([
        [put('/registry/pods/ns/one'), put('/registry/pods/ns/gone')],
        [{ key: '/registry/pods/ns/one', value }],
        [{ key: '/registry/pods/ns/gone', value: undefined }],
      ]),
      9,
      randomNumbers(seed),
    );
    const sha256 = createHash('sha256').update(value).digest('hex');
    expect(sample).toEqual([{ key: '/registry/pods/ns/one', sha256 }]);
    expect(sample.map((one) => keySampleSchema.parse(one))).toEqual(sample);
  });

  it('takes of each resource as many as of any other, as long as there are', async () => {
    const keys = await keysOf([many('pods', 500), many('secrets', 40), many('configmaps', 3)], 33);
    expect(countByResource(keys)).toEqual({ pods: 15, secrets: 15, configmaps: 3 });
    expect(new Set(keys).size).toBe(33);
  });

  it('is never larger than asked for, nor smaller without need, whatever chance says', async () => {
    const counts = fc.array(fc.nat(30), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(counts, fc.nat(60), fc.integer(), async (perResource, count, chance) => {
        const path = snapshotOf(
          perResource.map((keys, index) => many(`resource-${index}`, keys)).filter((all) => all.length > 0),
        );
        const sample = await sampleKeys(path, count, randomNumbers(chance));
        const living = perResource.reduce((sum, keys) => sum + keys, 0);
        expect(sample).toHaveLength(Math.min(count, living));
        const taken = countByResource(sample.map(({ key }) => key));
        const largest = Math.max(0, ...Object.values(taken));
        for (const [index, keys] of perResource.entries()) {
          expect(taken[`resource-${index}`] ?? 0).toBeGreaterThanOrEqual(Math.min(keys, largest - 1));
        }
      }),
      { seed, numRuns: 40 },
    );
  });

  it('chooses every key at times', async () => {
    const path = snapshotOf([many('pods', 12)]);
    const random = randomNumbers(seed);
    const seen = new Set<string>();
    for (let round = 0; round < 100; round += 1) for (const { key } of await sampleKeys(path, 3, random)) seen.add(key);
    expect(seen.size).toBe(12);
  });

  it.each(['/registry', '/kubernetes.io', '/tenant'])(
    'always has the namespace kube-system below %s',
    async (prefix) => {
      const transactions = [many('pods', 50), [put(`${prefix}/namespaces/kube-system`)], many('secrets', 50)];
      for (const count of [1, 2, 5]) {
        const keys = await keysOf(transactions, count);
        expect(keys).toContain(`${prefix}/namespaces/kube-system`);
        expect(keys).toHaveLength(count);
      }
    },
  );

  it('leaves out what may differ as soon as the API server runs, and what is not of Kubernetes', async () => {
    const left = ['leases', 'events', 'masterleases', 'services/endpoints', 'endpointslices', 'minions'];
    const keys = await keysOf(
      [
        ...left.map((resource) => many(resource, 4)),
        [put('compact_rev_key', '5'), put('/app/pods/x', 'y')],
        many('services/specs', 2),
      ],
      100,
    );
    expect(keys).toEqual(['/registry/services/specs/ns/0', '/registry/services/specs/ns/1']);
  });
});
