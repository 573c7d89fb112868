import type { ChildProcess } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { restorePlanSchema } from '../../lambdas/domain/restore.ts';
import type { CommandOutcome, Workspace } from '../suite/lifeboat.ts';
import { waitFor } from '../testbed/waiting.ts';

/**
 * Restores so that it fails at the gate of the content, as if the volume had lost a write: the first sampled value is another than what
 * the restored etcd serves. No step follows a plan that was changed meanwhile, so its process is killed behind the fence and the
 * restore resumed. To be called while it is the only one of its directory store that has not ended.
 */
export async function restoreWithSpoiledSample(workspace: Workspace, controlPlane: string): Promise<CommandOutcome> {
  const restores = join(workspace.directory, 'recovery-points/restores');
  let started: ChildProcess | undefined;
  const killed = workspace.run(['restore', controlPlane, '--latest-verified', '--yes'], (child) => (started = child));
  const directory = await waitFor(
    'the fence',
    () => {
      const fenced = globSync(join(restores, '*/fenced.json')).map(dirname);
      return Promise.resolve(fenced.find((operation) => !existsSync(join(operation, 'result.json'))));
    },
    { timeoutSeconds: 240 },
  );
  started?.kill('SIGKILL');
  await killed;
  const file = join(directory, 'plan.json');
  const plan = restorePlanSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const [datastore] = plan.datastores;
  const [first, ...others] = datastore?.sample ?? [];
  const sample = [{ ...first, sha256: '0'.repeat(64) }, ...others];
  await writeFile(file, JSON.stringify({ ...plan, datastores: [{ ...datastore, sample }] }));
  return await workspace.run(['restore', controlPlane, '--resume', basename(directory), '--yes', '--json']);
}
