import { expect } from '@jest/globals';
import { join } from 'node:path';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import type { Workspace, WorkspaceConfiguration } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { directoryWorkspace, plantHostedCluster, retireHostedCluster, sharedBed } from '../bed.ts';
import { NO_REMAINDERS, restoreRemainders } from './restore-remainders.ts';

/** A control plane of one member on `mgmt-a` that is backed up and restored again and again, with a store of its own. */
export class Restorable {
  /** `<management cluster>/<namespace>/<name>`. */
  readonly controlPlane: string;
  readonly hosted: HostedCluster;
  readonly workspace: Workspace;
  readonly locks: Locks;
  #losses = 0;

  private constructor(hosted: HostedCluster, workspace: Workspace) {
    this.controlPlane = `${hosted.cluster.name}/${hosted.namespace}/${hosted.name}`;
    this.hosted = hosted;
    this.workspace = workspace;
    this.locks = new Locks(new DirectoryStore(this.storeDirectory));
  }

  static async plant(namespace: string, policies: WorkspaceConfiguration['policies'] = {}): Promise<Restorable> {
    const bed = await sharedBed();
    const plan = { namespace, name: 'prod', members: 1, etcdVersion: '3.6.5' } as const;
    const hosted = await plantHostedCluster(bed.clusters[0], plan);
    return new Restorable(hosted, await directoryWorkspace(bed, { purpose: 'restore' }, policies));
  }

  get storeDirectory(): string {
    return join(this.workspace.directory, 'recovery-points');
  }

  /** The arguments of a restore of the newest point. */
  get restore(): readonly string[] {
    return ['restore', this.controlPlane, '--latest-verified', '--yes'];
  }

  /** Backs up, and loses something that the next restore brings back. */
  async lose(): Promise<void> {
    this.#losses += 1;
    await this.hosted.waitUntilReady();
    await this.hosted.kubectl(['create', 'namespace', this.#lost]);
    await this.workspace.json(['backup', this.controlPlane]);
    await this.hosted.kubectl(['delete', 'namespace', this.#lost]);
  }

  async isBroughtBack(): Promise<boolean> {
    await this.hosted.waitUntilReady();
    return (await this.hosted.kubectl(['get', 'namespaces', '--output=name'])).includes(`namespace/${this.#lost}\n`);
  }

  /** Nothing of a restore on the management cluster, and no lock. */
  async expectNothingLeft(): Promise<void> {
    expect(await restoreRemainders(this.hosted)).toEqual(NO_REMAINDERS);
    expect(await this.locks.read(controlPlaneLock(this.controlPlane))).toBeUndefined();
  }

  async expectRestored(): Promise<void> {
    expect(await this.isBroughtBack()).toBe(true);
    await this.expectNothingLeft();
  }

  /** How every operation has ended; null for those that have not. */
  async outcomes(): Promise<Map<string, string | null>> {
    const { operations } = (await this.workspace.json(['operations'])) as {
      operations: { operation: string; outcome: string | null }[];
    };
    return new Map(operations.map(({ operation, outcome }) => [operation, outcome]));
  }

  async retire(): Promise<void> {
    await this.workspace.remove();
    await retireHostedCluster(this.hosted);
  }

  get #lost(): string {
    return `lost-${this.#losses}`;
  }
}
