import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { restorePlanSchema } from '../../lambdas/domain/restore.ts';
import type { Workspace } from '../suite/lifeboat.ts';
import { waitFor } from '../testbed/waiting.ts';

/**
 * Makes the restore that a workspace has just begun fail at its last gate, as if the volume had lost a write: the first sampled
 * value is another than what the restored etcd serves. To be called while it is the only one of its directory store.
 */
export async function spoilSample(workspace: Workspace): Promise<void> {
  const operation = await waitFor(
    'the plan',
    async () => /restore-\S+/.exec((await workspace.run(['operations'])).stdout)?.[0],
    { timeoutSeconds: 120 },
  );
  const file = join(workspace.directory, 'recovery-points/operations', operation, 'plan.json');
  const plan = restorePlanSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const [datastore] = plan.datastores;
  const [first, ...others] = datastore?.sample ?? [];
  const sample = [{ ...first, sha256: '0'.repeat(64) }, ...others];
  await writeFile(file, JSON.stringify({ ...plan, datastores: [{ ...datastore, sample }] }));
}
