import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EtcdClient } from '../../../lambdas/datastores/etcd/wire/etcd-client.ts';
import { DatastoreError, GateError } from '../../../lambdas/domain/errors.ts';
import { startDatastoreStep } from '../../../lambdas/handlers/start-datastore.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import { platforms } from '../../../lambdas/platforms/registry.ts';
import { installedEtcd } from '../etcd-restore/installed-etcd.ts';
import { fenceBegunAt, fencedAt, restoreOnPaper, type PaperRestore } from './restore-on-paper.ts';

/** As {@link fencedAt} has it. */
const SEALED = { hash: 1, compactRevision: 1 };
const REVISION_OF_A_LATER_WRITE = 901;
const [member] = installedEtcd(1).members;

/** An etcd of one member that was written to once after the fence. */
function etcdThatHolds(hashKV: () => Promise<typeof SEALED>): void {
  const client = {
    status: () =>
      Promise.resolve({
        revision: REVISION_OF_A_LATER_WRITE,
        leaderId: '1',
        memberId: '1',
        clusterId: 'c',
        alarms: [],
      }),
    memberList: () => Promise.resolve([{ id: '1', name: member?.pod, peerUrls: [member?.peerUrl], learner: false }]),
    hashKV: (revision: number) => (revision === REVISION_OF_A_LATER_WRITE ? Promise.resolve(SEALED) : hashKV()),
    range: () => Promise.reject(new Error('nobody asks what was written later')),
    close: () => Promise.resolve(),
  };
  jest.spyOn(EtcdClient, 'connect').mockResolvedValue(client as unknown as EtcdClient);
}

describe('the old datastore, to which somebody has written behind the fence', () => {
  let restore: PaperRestore;
  beforeEach(async () => {
    jest.spyOn(platforms.hypershift.datastoreAccess, 'etcdTls').mockResolvedValue({} as never);
    const at = new Date();
    restore = await restoreOnPaper(at);
    const steps = ['prepare-data', 'fence-control-plane', 'stop-datastore'].flatMap((step) => [
      `${step}-waiting`,
      step,
    ]);
    await restore.after(steps, { ...fenceBegunAt(at), ...fencedAt(at) });
    restore.cluster.pausedUntil = 'true';
    restore.cluster.replicas['etcd'] = 1;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await restore.remove();
  });

  /** One look at it on the way back. */
  async function lookedAt(): Promise<unknown> {
    let now = 0;
    const { connect } = restore.ports;
    const withReadyPods = async (name: string): Promise<Cluster> => {
      const cluster = await connect(name);
      const list = cluster.api.list.bind(cluster.api);
      const isReady = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
      const status = { ...isReady, containerStatuses: [{ state: { running: {} } }] };
      cluster.api.list = async (...asked) => (await list(...asked)).map((pod) => ({ ...pod, status }));
      return cluster;
    };
    const ports = { ...restore.ports, now: () => (now += 60_000), connect: withReadyPods };
    return await startDatastoreStep.run(await restore.item('back'), ports);
  }

  it('is started again, for what it held there it holds', async () => {
    etcdThatHolds(() => Promise.resolve(SEALED));
    expect(await lookedAt()).toEqual({ done: true });
  });

  it('is refused where it holds something else', async () => {
    etcdThatHolds(() => Promise.resolve({ ...SEALED, hash: 2 }));
    await expect(lookedAt()).rejects.toThrow(GateError);
  });

  it('is waited for while it does not tell', async () => {
    etcdThatHolds(() => Promise.reject(new DatastoreError('it elects a leader')));
    expect(await lookedAt()).toEqual({ done: false });
  });
});
