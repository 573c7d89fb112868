import { describe, expect, it } from '@jest/globals';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { cachedKubeconfigs } from '../../../lambdas/kube/cached-kubeconfigs.ts';
import type { ClusterAccesses } from '../../../lambdas/kube/management-cluster-access.ts';

const MINUTE = 60_000;

/** Kubeconfigs that tell how often each was read; those of `failing` reads fail. */
function countingKubeconfigs(failing: ReadonlySet<number> = new Set()) {
  const reads: string[] = [];
  const accesses: ClusterAccesses = {
    async read(managementCluster) {
      reads.push(managementCluster);
      const count = reads.length;
      await Promise.resolve();
      if (failing.has(count)) throw new Error(`read ${count} failed`);
      return { text: new Secret(`kubeconfig ${count}`), source: managementCluster };
    },
  };
  return { reads, accesses };
}

function cacheOf(accesses: ClusterAccesses) {
  let now = Date.parse('2026-01-02T03:04:05Z');
  const cache = cachedKubeconfigs(accesses, () => new Date(now));
  return {
    cache,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    read: async (managementCluster: string): Promise<string> => {
      const found = await cache.read(managementCluster);
      return 'text' in found ? found.text.reveal() : 'no kubeconfig';
    },
  };
}

describe('remembered kubeconfigs', () => {
  it('are read again after five minutes, and not before', async () => {
    const { reads, accesses } = countingKubeconfigs();
    const { read, pass } = cacheOf(accesses);
    expect(await read('a')).toBe('kubeconfig 1');
    pass(5 * MINUTE - 1);
    expect(await read('a')).toBe('kubeconfig 1');
    pass(1);
    expect(await read('a')).toBe('kubeconfig 2');
    pass(5 * MINUTE - 1);
    expect(await read('a')).toBe('kubeconfig 2');
    expect(reads).toHaveLength(2);
  });

  it('are kept for each management cluster by itself', async () => {
    const { reads, accesses } = countingKubeconfigs();
    const { cache, read } = cacheOf(accesses);
    expect([await read('a'), await read('b'), await read('a')]).toEqual([
      'kubeconfig 1',
      'kubeconfig 2',
      'kubeconfig 1',
    ]);
    cache.forget?.('a');
    expect([await read('a'), await read('b')]).toEqual(['kubeconfig 3', 'kubeconfig 2']);
    expect(reads).toEqual(['a', 'b', 'a']);
  });

  it('are read once by all who ask at the same time', async () => {
    const { reads, accesses } = countingKubeconfigs();
    const { read } = cacheOf(accesses);
    expect(await Promise.all([read('a'), read('a'), read('a')])).toEqual(Array(3).fill('kubeconfig 1'));
    expect(reads).toHaveLength(1);
  });

  it('are not remembered when reading them failed', async () => {
    const { accesses } = countingKubeconfigs(new Set([1]));
    const { read } = cacheOf(accesses);
    await expect(read('a')).rejects.toThrow('read 1 failed');
    expect(await read('a')).toBe('kubeconfig 2');
  });

  it('are kept when an older read fails after they were forgotten and read anew', async () => {
    const { reads, accesses } = countingKubeconfigs(new Set([1]));
    const { cache, read } = cacheOf(accesses);
    const failing = read('a');
    cache.forget?.('a');
    const fresh = read('a');
    await expect(failing).rejects.toThrow('read 1 failed');
    expect(await fresh).toBe('kubeconfig 2');
    expect(await read('a')).toBe('kubeconfig 2');
    expect(reads).toHaveLength(2);
  });

  it('are read again when the clock was set back, for then their age is unknown', async () => {
    const { accesses } = countingKubeconfigs();
    const { read, pass } = cacheOf(accesses);
    await read('a');
    pass(-60 * MINUTE);
    expect(await read('a')).toBe('kubeconfig 2');
  });
});
