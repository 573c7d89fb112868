import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ports } from '../../bin/local/ports.ts';
import { parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import type { LockedRestore } from '../../lambdas/domain/restore.ts';
import { lockControlPlane } from '../../lambdas/operations/lock.ts';
import { markControlPlane, readMark, removeMark } from '../../lambdas/operations/mark.ts';
import { platforms } from '../../lambdas/platforms/registry.ts';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import { Locks } from '../../lambdas/store/locks.ts';

const OPERATION = 'restore-of-another-store';

/**
 * Begins an operation on the same control plane by a Lifeboat with another store: it has that store's lock, and its mark is in the
 * cluster. Gives what ends it, which fails when the mark is not as it was made.
 */
export async function workFromOtherStore(
  { controlPlane, platform, ...restore }: LockedRestore,
  ports: Ports,
): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-other-store-'));
  const store = new DirectoryStore(directory);
  const others = { ...ports, store, locks: new Locks(store) };
  const lock = await lockControlPlane({ operation: OPERATION, controlPlane, purpose: 'restore' }, others);
  const name = parseControlPlaneName(controlPlane);
  const seen = await platforms[platform].readMark((await ports.connect(name.managementCluster)).api, name);
  if (seen === undefined) throw new Error(`${controlPlane} does not exist`);
  const item = { ...restore, controlPlane, platform, operation: OPERATION, lock, uid: seen.uid };
  await markControlPlane(item, others);
  const made = JSON.stringify(await readMark(item, others));
  return async () => {
    const found = JSON.stringify(await readMark(item, others));
    await removeMark(item, others);
    await rm(directory, { recursive: true });
    if (found !== made) throw new Error(`the mark of the other store was ${made} and is ${found}`);
  };
}
