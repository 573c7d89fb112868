import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConflictError, LockedError } from '../../../lambdas/domain/errors.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import type { DirectedRestore } from '../../../lambdas/domain/restore.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { keepMark, markControlPlane, readMark, removeMark } from '../../../lambdas/operations/mark.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { holdRestore } from '../../../lambdas/restores/open-restore.ts';
import { endsNothing } from '../../../lambdas/restores/resumed.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { ADMINISTRATOR, ApiClients } from './api-clients.ts';

jest.setTimeout(120_000);

const NAMESPACE = 'clusters';
const CRDS = join(import.meta.dirname, '../../testbed/hypershift/crds/hypershift.yaml');
const LEASE_MILLISECONDS = 20 * 60_000;

let server: ApiServer;
let directory: string;
let name: string;
let count = 0;
const clients = new ApiClients();
beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(['apply', '--server-side', '-f', CRDS]);
  await server.kubectl(['create', 'namespace', NAMESPACE]);
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-marks-'));
  count += 1;
  name = `prod-${count}`;
  await createHostedCluster();
});
afterEach(async () => {
  await clients.end();
  await rm(directory, { recursive: true });
});

async function createHostedCluster(): Promise<void> {
  const hostedCluster = {
    apiVersion: 'hypershift.openshift.io/v1beta1',
    kind: 'HostedCluster',
    metadata: { name, namespace: NAMESPACE, annotations: { others: 'stay' } },
    spec: {
      release: { image: 'registry.example.com/release' },
      platform: { type: 'None' },
      pullSecret: { name: 'pull-secret' },
      services: [{ service: 'APIServer', servicePublishingStrategy: { type: 'LoadBalancer' } }],
    },
  };
  await waitFor(
    'the API to serve HostedClusters',
    () =>
      server.kubectl(['create', '-f', '-'], JSON.stringify(hostedCluster)).then(
        () => true,
        (error: unknown) => {
          if (String(error).includes('no matches for kind')) return undefined;
          throw error;
        },
      ),
    { timeoutSeconds: 60 },
  );
}

/** A Lifeboat with a store of its own, and what it works with. */
interface Lifeboat {
  readonly ports: ClusterRunPorts;
  readonly api: KubeApi;
  /** How many tunnels and attachments were opened, and are still open. */
  readonly streams: { opened: number; open: number };
  /** Begins an operation, with the lock in its store. */
  begin(operation: string): Promise<PlannedItem>;
}

/** What a step is given, with the uid of the control plane that was planned. */
type PlannedItem = DirectedRestore & { readonly uid: string; readonly step: 'fence-control-plane' };

function lifeboat(at: string): Lifeboat {
  const store = new DirectoryStore(join(directory, at));
  const locks = new Locks(store);
  const api = clients.connect(server.kubeconfig(ADMINISTRATOR, server.port));
  const streams = { opened: 0, open: 0 };
  const stream = () => {
    streams.opened += 1;
    streams.open += 1;
    const duplex = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done: () => void) => {
        done();
      },
    });
    return Promise.resolve(duplex.once('close', () => (streams.open -= 1)));
  };
  const cluster: Cluster = {
    name: 'mgmt-a',
    api,
    credentialsEndAt: null,
    openTunnel: stream,
    attach: stream as never,
    close: () => undefined,
  };
  const ports = {
    store,
    locks,
    journal: new Journal(store, 'restore'),
    clock: () => new Date(),
    connect: () => Promise.resolve(cluster),
  };
  return {
    ports: ports as unknown as ClusterRunPorts,
    api,
    streams,
    async begin(operation) {
      const controlPlane = `mgmt-a/${NAMESPACE}/${name}`;
      const lock = await locks.acquire(controlPlaneLock(controlPlane), operation, 'restores it', LEASE_MILLISECONDS);
      const planned = {
        operation,
        controlPlane,
        platform: 'hypershift',
        point: 'any',
        planSha256: '0'.repeat(64),
      } as const;
      return {
        ...planned,
        uid: await uidOf(name),
        lock: { token: lock.token },
        direction: 'forward',
        step: 'fence-control-plane',
      };
    },
  };
}

/** As if so much time had passed for the store since it was written to. */
async function age(at: string, file: string, milliseconds: number): Promise<void> {
  const then = new Date(Date.now() - milliseconds);
  await utimes(join(directory, at, 'locks', `${file}.json`), then, then);
}
const ageSighting = (at: string, milliseconds: number) => age(at, `marks/mgmt-a/${NAMESPACE}/${name}`, milliseconds);
const ageLock = (at: string, milliseconds: number) =>
  age(at, controlPlaneLock(`mgmt-a/${NAMESPACE}/${name}`), milliseconds);

async function metadataOf(hostedCluster: string): Promise<{ uid: string; annotations: Record<string, string> }> {
  const json = await server.kubectl(['get', 'hostedcluster', hostedCluster, '--namespace', NAMESPACE, '--output=json']);
  return (JSON.parse(json) as { metadata: { uid: string; annotations: Record<string, string> } }).metadata;
}
const uidOf = async (hostedCluster: string) => (await metadataOf(hostedCluster)).uid;
const annotations = async () => (await metadataOf(name)).annotations;
const markedOperation = async () =>
  (JSON.parse((await annotations())['lifeboat.io/operation'] ?? '{}') as { operation?: string }).operation;

describe('a control plane under operations of two stores', () => {
  it('is refused to the second one with the name of the first, until that has ended', async () => {
    const [a, b] = [lifeboat('a'), lifeboat('b')];
    const first = await a.begin('restore-1');
    await markControlPlane(first, a.ports);
    const second = await b.begin('restore-2');
    const refused = markControlPlane(second, b.ports);
    await expect(refused).rejects.toThrow(LockedError);
    await expect(refused).rejects.toThrow(
      `mgmt-a/${NAMESPACE}/${name} is marked by restore-1 of another store (${join(directory, 'a')}, process ${process.pid} on `,
    );
    await expect(refused).rejects.toMatchObject({ remedy: expect.stringContaining('try again in 20 min') as unknown });
    expect(await markedOperation()).toBe('restore-1');
    await removeMark(second, b.ports);
    expect(await markedOperation()).toBe('restore-1');
    await removeMark(first, a.ports);
    expect(await annotations()).toEqual({ others: 'stay' });
    await markControlPlane(second, b.ports);
    expect(await markedOperation()).toBe('restore-2');
  });

  it('goes to exactly one of many that mark it at once', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 6 }, async (_, index) => {
        const one = lifeboat(`store-${index}`);
        await markControlPlane(await one.begin(`restore-${index}`), one.ports);
        return `restore-${index}`;
      }),
    );
    const winners = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    expect(winners).toEqual([await markedOperation()]);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(LockedError);
  });

  it('is taken over when the mark stood unchanged for a whole lease since it was seen, and not before', async () => {
    const [a, b] = [lifeboat('a'), lifeboat('b')];
    const first = await a.begin('restore-1');
    await markControlPlane(first, a.ports);
    const second = await b.begin('restore-2');
    await expect(markControlPlane(second, b.ports)).rejects.toThrow(LockedError);
    await ageSighting('b', LEASE_MILLISECONDS + 1_000);
    // It is at work after all.
    await keepMark(first, { wasAway: false }, a.ports);
    await expect(markControlPlane(second, b.ports)).rejects.toThrow(LockedError);
    await ageSighting('b', LEASE_MILLISECONDS - 60_000);
    await expect(markControlPlane(second, b.ports)).rejects.toMatchObject({
      remedy: expect.stringContaining('try again in 1 min') as unknown,
    });
    await ageSighting('b', LEASE_MILLISECONDS + 1_000);
    await markControlPlane(second, b.ports);
    const lost = keepMark(first, { wasAway: false }, a.ports);
    await expect(lost).rejects.toThrow(LockedError);
    await expect(lost).rejects.toThrow(/no longer has the mark of restore-1: now it has that of restore-2$/);
  });
});

describe('the mark of an operation', () => {
  it('is extended with the same nonce, and made anew at once after another operation of the same store', async () => {
    const a = lifeboat('a');
    const first = await a.begin('restore-1');
    await markControlPlane(first, a.ports);
    const made = await readMark(first, a.ports);
    await markControlPlane(first, a.ports);
    const again = await keepMark(first, { wasAway: true }, a.ports);
    expect(again?.nonce).toBe(made?.nonce);
    expect(again?.expiresAt).not.toBe(made?.expiresAt);
    await ageLock('a', LEASE_MILLISECONDS + 1_000);
    const second = await a.begin('restore-2');
    await markControlPlane(second, a.ports);
    expect((await readMark(second, a.ports))?.nonce).not.toBe(made?.nonce);
    expect(await readMark(first, a.ports)).toBeUndefined();
  });

  it('is made again when somebody has removed it, but not for an operation that was away for a whole lease', async () => {
    const a = lifeboat('a');
    const item = await a.begin('restore-1');
    await markControlPlane(item, a.ports);
    const made = await readMark(item, a.ports);
    await server.kubectl(['annotate', 'hostedcluster', name, '--namespace', NAMESPACE, 'lifeboat.io/operation-']);
    await holdRestore(item, a.ports);
    const remade = await readMark(item, a.ports);
    expect(remade?.operation).toBe('restore-1');
    expect(remade?.nonce).not.toBe(made?.nonce);
    await server.kubectl(['annotate', 'hostedcluster', name, '--namespace', NAMESPACE, 'lifeboat.io/operation-']);
    await ageLock('a', LEASE_MILLISECONDS + 1_000);
    await expect(holdRestore(item, a.ports)).rejects.toThrow(/no longer has the mark of restore-1: it is gone$/);
  });

  it("is nobody's trouble where the control plane was deleted", async () => {
    const a = lifeboat('a');
    const item = await a.begin('restore-1');
    await markControlPlane(item, a.ports);
    await server.kubectl(['delete', 'hostedcluster', name, '--namespace', NAMESPACE]);
    await removeMark(item, a.ports);
    expect(await keepMark(item, { wasAway: false }, a.ports)).toBeUndefined();
  });

  it('is neither made nor extended on a control plane that was deleted and made again, and nothing else is changed', async () => {
    const a = lifeboat('a');
    const item = await a.begin('restore-1');
    await markControlPlane(item, a.ports);
    const { cluster, checkHold } = await holdRestore(item, a.ports);
    await server.kubectl(['delete', 'hostedcluster', name, '--namespace', NAMESPACE]);
    // While nothing is there of that name, nothing is in the way of a restore that puts back what is left.
    await checkHold();
    await createHostedCluster();
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: NAMESPACE, name: `other-${name}` } };
    const changes: (() => Promise<unknown>)[] = [
      () => markControlPlane(item, a.ports),
      () => keepMark(item, { wasAway: false }, a.ports),
      () => holdRestore(item, a.ports),
      () => cluster.api.create(object),
      checkHold,
    ];
    for (const change of changes) {
      await expect(change()).rejects.toMatchObject({
        name: 'GateError',
        message: `mgmt-a/${NAMESPACE}/${name} is another one than was planned: its uid was ${item.uid}, and now it is ${await uidOf(name)}`,
      });
    }
    expect(await annotations()).toEqual({ others: 'stay' });
    expect(await cluster.api.get({ ...object, ...object.metadata })).toBeUndefined();
  });

  it('is written only onto the object as it was read', async () => {
    const { api } = lifeboat('a');
    const reference = {
      apiVersion: 'hypershift.openshift.io/v1beta1',
      kind: 'HostedCluster',
      namespace: NAMESPACE,
      name,
    };
    const resourceVersion = (await api.get(reference))?.metadata.resourceVersion;
    const patch = { metadata: { resourceVersion, annotations: { new: 'one' } } };
    await api.merge(reference, patch);
    const late = api.merge(reference, patch);
    await expect(late).rejects.toThrow(ConflictError);
    await expect(late).rejects.toThrow(/somebody else has changed it since it was read$/);
  });
});

describe('a step on the way forward that hung until the restore was taken back', () => {
  it('changes nothing more, while the way back does', async () => {
    const a = lifeboat('a');
    const item = await a.begin('restore-1');
    await markControlPlane(item, a.ports);
    const late = await holdRestore(item, a.ports);
    expect(await endsNothing({ ...item, direction: 'back' }, a.ports)).toBe(true);
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: NAMESPACE, name: `late-${name}` } };
    await expect(late.cluster.api.create(object)).rejects.toThrow(/restore-1 was being rolled back/);
    const back = await holdRestore({ ...item, direction: 'back' }, a.ports);
    await back.cluster.api.create(object);
  });
});

describe('a step whose operation has lost its control plane on the way', () => {
  const LOSSES: readonly [string, (first: PlannedItem, a: Lifeboat) => Promise<void>][] = [
    [
      'lock',
      async (_, a) => {
        await ageLock('a', LEASE_MILLISECONDS + 1_000);
        await a.begin('restore-2');
      },
    ],
    [
      'mark',
      async () => {
        const b = lifeboat('b');
        const other = await b.begin('restore-2');
        await expect(markControlPlane(other, b.ports)).rejects.toThrow(LockedError);
        await ageSighting('b', LEASE_MILLISECONDS + 1_000);
        await markControlPlane(other, b.ports);
      },
    ],
  ];

  it.each(LOSSES)('changes nothing more once the %s is lost, and still reads', async (_, lose) => {
    const a = lifeboat('a');
    const item = await a.begin('restore-1');
    await markControlPlane(item, a.ports);
    const { cluster, checkHold } = await holdRestore(item, a.ports);
    const kept = { apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE, name: `kept-${name}` };
    const pod = { namespace: NAMESPACE, pod: 'any', port: 1 };
    const { apiVersion, kind, ...metadata } = kept;
    await cluster.api.create({ apiVersion, kind, metadata });
    await checkHold();
    await lose(item, a);
    const changes: (() => Promise<unknown>)[] = [
      () => cluster.api.create({ apiVersion, kind, metadata: { ...metadata, name: 'more' } }),
      () => cluster.api.apply({ apiVersion, kind, metadata, data: { a: '1' } }),
      () => cluster.api.merge(kept, { data: { a: '1' } }),
      () => cluster.api.delete(kept),
      () => cluster.api.scale({ ...kept, apiVersion: 'apps/v1', kind: 'Deployment' }, 0),
      () => cluster.openTunnel(pod),
      () => cluster.attach({ ...pod, container: 'any' }),
      checkHold,
      () => holdRestore(item, a.ports),
    ];
    for (const change of changes) await expect(change()).rejects.toThrow(LockedError);
    expect(a.streams.open).toBe(0);
    const found = await cluster.api.get(kept);
    expect(found?.metadata.name).toBe(kept.name);
    expect(found?.['data']).toBeUndefined();
    expect(await cluster.api.get({ ...kept, name: 'more' })).toBeUndefined();
  });
});
