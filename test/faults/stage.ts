import { createHash } from 'node:crypto';
import * as z from 'zod';
import { controlPlaneLock } from '../../lambdas/domain/operation.ts';
import { restoreResultSchema } from '../../lambdas/domain/restore.ts';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import { Locks } from '../../lambdas/store/locks.ts';
import { directoryWorkspace, plantHostedCluster, retireHostedCluster } from '../e2e/bed.ts';
import { restoreRemainders } from '../e2e/hypershift/restore-remainders.ts';
import { exitOf, type Workspace } from '../suite/lifeboat.ts';
import type { Bed } from '../testbed/bed.ts';
import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { waitFor } from '../testbed/waiting.ts';
import {
  endsRestored,
  expectedEnding,
  isWrittenMeanwhile,
  leavesDataAside,
  type Combination,
  type Ending,
} from './combinations.ts';
import { join } from 'node:path';

const NAMESPACE = 'faults';
/** In the recovery point, and deleted before each restore. */
const LOST = 'lost';
/** Created before each restore. */
const LATER = 'later';
/** Created after a restore was killed and the platform has gone on. */
const MEANWHILE = 'meanwhile';

const outputSchema = z.object({
  occurred: z.boolean(),
  result: restoreResultSchema.nullable(),
  error: z.string().nullable(),
});

/** What came of a combination; `problem` is null when all is as it must be. */
export interface Outcome {
  readonly combination: Combination;
  readonly ending: Ending;
  readonly problem: string | null;
}

/** A control plane of its own on which faults are tried, one after the other. */
export class FaultStage {
  readonly #bed: Bed;
  readonly #cluster: ManagementCluster;
  readonly #name: string;
  #hosted: HostedCluster;
  #workspace: Workspace;
  #point = '';
  #runs = 0;

  private constructor(bed: Bed, cluster: ManagementCluster, name: string, hosted: HostedCluster, workspace: Workspace) {
    this.#bed = bed;
    this.#cluster = cluster;
    this.#name = name;
    this.#hosted = hosted;
    this.#workspace = workspace;
  }

  static async create(bed: Bed, cluster: ManagementCluster, name: string): Promise<FaultStage> {
    const hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name, members: 1, etcdVersion: '3.6.5' });
    const workspace = await directoryWorkspace(bed, { purpose: 'restore' });
    const stage = new FaultStage(bed, cluster, name, hosted, workspace);
    await stage.#prepare();
    return stage;
  }

  get #controlPlane(): string {
    return `${this.#cluster.name}/${NAMESPACE}/${this.#name}`;
  }

  async #prepare(): Promise<void> {
    await this.#hosted.kubectl(['create', 'namespace', LOST]);
    const { id } = (await this.#workspace.json(['backup', this.#controlPlane])) as { id: string };
    this.#point = id;
  }

  /** Restores with the fault, resumes when the process was killed, and looks at what there is afterwards. */
  async try(combination: Combination): Promise<Outcome> {
    this.#runs += 1;
    const operation = `restore-${this.#name}-${this.#runs}`;
    await this.#lose();
    const before = await this.#content();
    const { occurred, result, error } = await this.#restore(operation, combination);
    const ending: Ending = result?.outcome ?? 'refused';
    const problems: string[] = [];
    await this.#hosted.waitUntilReady();
    const names = await this.#namespaces();
    const isRestored = names.includes(LOST) && !names.includes(LATER);
    const isWritten = isWrittenMeanwhile(combination);
    if (isRestored !== endsRestored(combination, ending)) problems.push(`namespaces afterwards: ${names.join(', ')}`);
    if (isWritten && !names.includes(MEANWHILE)) problems.push('what was written meanwhile is lost');
    if (!isRestored && !isWritten && (await this.#content()) !== before) {
      problems.push('the content is not what it was');
    }
    const isKept = leavesDataAside(combination);
    problems.push(...(await this.#remainders(isKept)));
    if (ending !== expectedEnding(combination)) problems.push(`it ended ${ending} (${error ?? 'no error'})`);
    if (!occurred) problems.push('the fault did not occur');
    if (problems.length > 0 || isWritten || isKept) await this.#renew();
    return { combination, ending, problem: problems.length === 0 ? null : problems.join('; ') };
  }

  async remove(): Promise<void> {
    await this.#workspace.remove();
    await retireHostedCluster(this.#hosted);
  }

  async #lose(): Promise<void> {
    const names = await this.#namespaces();
    if (names.includes(LOST)) await this.#hosted.kubectl(['delete', 'namespace', LOST]);
    if (!names.includes(LATER)) await this.#hosted.kubectl(['create', 'namespace', LATER]);
    // Its ConfigMap and ServiceAccount come from the controller-manager.
    await waitFor(
      'what belongs to a namespace',
      async () => (await this.#content()).includes(`${LATER}/kube-root-ca.crt`),
      {
        timeoutSeconds: 120,
      },
    );
  }

  async #restore(operation: string, combination: Combination): Promise<z.infer<typeof outputSchema>> {
    const first = await this.#process(operation, combination);
    if (first !== undefined) return first;
    if (isWrittenMeanwhile(combination)) await this.#letADayPass();
    if (combination.fault === 'killed after, abandoned') return await this.#abandon(operation);
    const resumed = await this.#process(operation, null);
    if (resumed === undefined) throw new Error(`${operation} was killed twice`);
    if (!isWrittenMeanwhile(combination)) return resumed;
    if (resumed.error?.startsWith('RestoreRefusedError: ') !== true) return resumed;
    return await this.#abandon(operation);
  }

  /** The pause is over, the platform has brought up what it found, and somebody goes on working. */
  async #letADayPass(): Promise<void> {
    const { cluster, namespace, name } = this.#hosted;
    const lifted = '--patch={"spec":{"pausedUntil":null}}';
    await cluster.kubectl(['patch', 'hostedcluster', name, '--namespace', namespace, '--type=merge', lifted]);
    await this.#hosted.waitUntilReady();
    await this.#hosted.kubectl(['create', 'namespace', MEANWHILE]);
  }

  async #abandon(operation: string): Promise<z.infer<typeof outputSchema>> {
    const abandoned = await this.#process(operation, null, 'abandon');
    if (abandoned === undefined) throw new Error(`${operation} was killed while it was abandoned`);
    return abandoned;
  }

  /** undefined when the process was killed. */
  async #process(operation: string, combination: Combination | null, point = this.#point) {
    const args = [this.#controlPlane, operation, point, JSON.stringify(combination)];
    const child = this.#workspace.startProgram('test/faults/restore-process.ts', args, 'pipe');
    const text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (chunk: string) => (text[stream] += chunk));
    }
    const exitCode = await exitOf(child);
    if (exitCode === -1) return undefined;
    if (exitCode !== 0) throw new Error(`the process of ${operation} ended with ${exitCode}: ${text.stderr}`);
    return outputSchema.parse(JSON.parse(text.stdout));
  }

  async #namespaces(): Promise<string[]> {
    return (await this.#hosted.kubectl(['get', 'namespaces', '--output=jsonpath={.items[*].metadata.name}'])).split(
      ' ',
    );
  }

  /** Every Namespace and ConfigMap by name and uid, with a digest of the data. */
  async #content(): Promise<string> {
    const text = await this.#hosted.kubectl(['get', 'namespaces,configmaps', '--all-namespaces', '--output=json']);
    const { items } = JSON.parse(text) as {
      items: { metadata: { namespace?: string; name: string; uid: string }; data?: object }[];
    };
    return items
      .map(({ metadata: { namespace = '', name, uid }, data = {} }) => {
        const digest = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 12);
        return `${namespace}/${name} ${uid} ${digest}`;
      })
      .sort()
      .join('\n');
  }

  /** What was put aside is there where it must be kept, and nothing else is. */
  async #remainders(isKept: boolean): Promise<string[]> {
    const { pods, directories, mark, pausedUntil } = await restoreRemainders(this.#hosted);
    const store = new DirectoryStore(join(this.#workspace.directory, 'recovery-points'));
    const lock = await new Locks(store).read(controlPlaneLock(this.#controlPlane));
    return [
      ...(pods.length === 0 ? [] : [`pods are left: ${pods.join(', ')}`]),
      ...(directories.length > 0 === isKept ? [] : [`directories on volumes: ${directories.join(', ') || 'none'}`]),
      ...(mark === null ? [] : [`the mark is left: ${mark}`]),
      ...(pausedUntil === null ? [] : [`the pause is left: ${pausedUntil}`]),
      ...(lock === undefined ? [] : [`the lock is left: ${lock.owner}`]),
    ];
  }

  async #renew(): Promise<void> {
    await this.#workspace.remove();
    await this.#hosted.delete();
    const fresh = await FaultStage.create(this.#bed, this.#cluster, this.#name);
    this.#hosted = fresh.#hosted;
    this.#workspace = fresh.#workspace;
    this.#point = fresh.#point;
  }
}
