import { expect, it } from '@jest/globals';
import { LockedError } from '../../../lambdas/domain/errors.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import { guardCluster } from '../../../lambdas/kube/guarded-cluster.ts';

/** A cluster that tells what was asked of it, with a guard that answers when it is told to. */
function guarded() {
  const asked: string[] = [];
  const guard = Promise.withResolvers<undefined>();
  const cluster = {
    api: { guardedBy: () => ({}) },
    openTunnel: () => Promise.resolve(asked.push('tunnel')),
    attach: () => Promise.resolve(asked.push('attach')),
  } as unknown as Cluster;
  const held = guardCluster(cluster, async () => {
    asked.push('guard');
    await guard.promise;
  });
  return { asked, guard, held };
}

it.each(['openTunnel', 'attach'] as const)(
  '%s begins nothing until it may be, so that no error is left without a listener',
  async (way) => {
    const { asked, guard, held } = guarded();
    const opening = held[way]({} as never);
    await Promise.resolve();
    expect(asked).toEqual(['guard']);
    guard.resolve(undefined);
    await opening;
    expect(asked).toEqual(['guard', way === 'attach' ? 'attach' : 'tunnel']);
  },
);

it.each(['openTunnel', 'attach'] as const)('%s is not begun once lock or mark are lost', async (way) => {
  const { asked, guard, held } = guarded();
  guard.reject(new LockedError('another one has it'));
  await expect(held[way]({} as never)).rejects.toThrow(LockedError);
  expect(asked).toEqual(['guard']);
});
