import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sampleKeys } from '../../../lambdas/datastores/etcd/file/key-sample.ts';
import { liveKeys, type LiveKeysOptions, type LiveKeysPage } from '../../../lambdas/datastores/etcd/live-keys.ts';
import { differenceFromLive, differenceFromNothing } from '../../../lambdas/datastores/etcd/snapshot-difference.ts';
import { DatastoreError } from '../../../lambdas/domain/errors.ts';
import type { KeyspaceDifference } from '../../../lambdas/domain/keyspace-difference.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { requireCommand } from '../../testbed/command.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { stopAbandoned, transact, withEtcd } from './etcd-snapshots.ts';
import { withMemberClient } from './member-client.ts';

jest.setTimeout(120_000);

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-difference-'));
afterAll(async () => {
  await stopAbandoned();
  await rm(directory, { recursive: true });
});

async function withSecureEtcd<T>(release: '3.5' | '3.6', work: (etcd: SecureEtcd) => Promise<T>): Promise<T> {
  const etcd = await SecureEtcd.start({ release });
  try {
    return await work(etcd);
  } finally {
    await etcd.stop();
  }
}

let snapshots = 0;
async function saveSnapshot(etcd: SecureEtcd): Promise<string> {
  snapshots += 1;
  const path = join(directory, `${snapshots}.db`);
  await etcd.etcdctl('snapshot', 'save', path);
  return path;
}

async function put(etcd: SecureEtcd, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await etcd.etcdctl('put', key, `value of ${key}`);
}

async function differenceOf(etcd: SecureEtcd, path: string, options?: LiveKeysOptions): Promise<KeyspaceDifference> {
  return await withMemberClient(etcd, (client) => differenceFromLive(path, liveKeys(client, options)));
}

describe.each(['3.5', '3.6'] as const)('a snapshot of etcd %s and the live etcd', (release) => {
  let etcd: SecureEtcd;
  let path: string;
  let snapshotRevision: number;

  const revisionOf = async (): Promise<number> =>
    await withMemberClient(etcd, async (client) => (await client.status()).revision);

  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release });
    await put(
      etcd,
      '/registry/namespaces/kube-system',
      '/registry/namespaces/shop',
      '/registry/minions/worker-1',
      '/registry/example.com/widgets/shop/one',
      '/registry/example.com/widgets/shop/two',
      '/registry/secrets/shop/stays',
      '/registry/secrets/shop/changes',
      '/registry/secrets/shop/is-made-anew',
      '/registry/secrets/shop/was-gone-before',
      '/registry/leases/kube-system/scheduler',
      'compact_rev_key',
    );
    await etcd.etcdctl('del', '/registry/secrets/shop/was-gone-before');
    snapshotRevision = await revisionOf();
    path = await saveSnapshot(etcd);
    await etcd.etcdctl('del', '/registry/namespaces/shop');
    await etcd.etcdctl('del', '/registry/example.com/widgets/shop/', '--prefix');
    await etcd.etcdctl('del', '/registry/secrets/shop/is-made-anew');
    await put(
      etcd,
      '/registry/example.com/widgets/shop/three',
      '/registry/namespaces/new',
      '/registry/minions/worker-1',
      '/registry/secrets/shop/changes',
      '/registry/secrets/shop/is-made-anew',
      '/registry/leases/kube-system/scheduler',
      'compact_rev_key',
    );
  });
  afterAll(async () => {
    await etcd.stop();
  });

  it.each([1, 2, 2000])('differ as what was done since says, read in pages of %d keys', async (pageKeys) => {
    expect(await differenceOf(etcd, path, { pageKeys })).toEqual({
      snapshotRevision,
      liveRevision: await revisionOf(),
      resources: [
        { resource: 'example.com/widgets', churn: false, comesBack: 2, vanishes: 1, reverted: 0, same: 0 },
        { resource: 'namespaces', churn: false, comesBack: 1, vanishes: 1, reverted: 0, same: 1 },
        { resource: 'nodes', churn: false, comesBack: 0, vanishes: 0, reverted: 1, same: 0 },
        { resource: 'secrets', churn: false, comesBack: 0, vanishes: 0, reverted: 2, same: 1 },
        { resource: 'compact_rev_key', churn: true, comesBack: 0, vanishes: 0, reverted: 1, same: 0 },
        { resource: 'leases', churn: true, comesBack: 0, vanishes: 0, reverted: 1, same: 0 },
      ],
      named: {
        comesBack: ['namespaces/shop', 'example.com/widgets/shop/one', 'example.com/widgets/shop/two'],
        vanishes: ['namespaces/new', 'example.com/widgets/shop/three'],
        reverted: ['nodes/worker-1'],
        leftOut: { comesBack: 0, vanishes: 0, reverted: 0 },
      },
    });
  });

  it('do not differ where nothing was done since, compacted or not', async () => {
    await withSecureEtcd(release, async (quiet) => {
      await put(quiet, '/registry/secrets/shop/a', '/registry/secrets/shop/b', '/registry/secrets/shop/a');
      await quiet.etcdctl('del', '/registry/secrets/shop/b');
      const before = await saveSnapshot(quiet);
      const { liveRevision } = await differenceOf(quiet, before);
      await quiet.etcdctl('compaction', '--physical', String(liveRevision));
      for (const file of [before, await saveSnapshot(quiet)]) {
        expect(await differenceOf(quiet, file)).toMatchObject({
          snapshotRevision: liveRevision,
          liveRevision,
          resources: [{ resource: 'secrets', comesBack: 0, vanishes: 0, reverted: 0, same: 1 }],
        });
      }
    });
  });

  it('may both be empty, or either', async () => {
    await withSecureEtcd(release, async (fresh) => {
      const empty = await saveSnapshot(fresh);
      expect(await differenceOf(fresh, empty)).toMatchObject({ snapshotRevision: 1, liveRevision: 1, resources: [] });
      expect(await differenceOf(fresh, path)).toMatchObject({
        named: {
          comesBack: [
            'namespaces/kube-system',
            'namespaces/shop',
            'nodes/worker-1',
            expect.anything(),
            expect.anything(),
          ],
        },
      });
      expect(await differenceFromNothing(empty)).toMatchObject({
        snapshotRevision: 1,
        liveRevision: null,
        resources: [],
      });
      expect(await differenceOf(etcd, empty)).toMatchObject({
        named: {
          comesBack: [],
          vanishes: ['namespaces/kube-system', 'namespaces/new', 'nodes/worker-1', expect.anything()],
        },
      });
    });
  });

  it('are compared at one revision, whatever is written meanwhile', async () => {
    const pages: LiveKeysPage[] = [];
    await withMemberClient(etcd, async (client) => {
      for await (const page of liveKeys(client, { pageKeys: 3 })) {
        if (pages.length === 0) await put(etcd, '/registry/namespaces/new', '/registry/secrets/shop/changes');
        pages.push(page);
      }
    });
    const [first] = pages;
    const keys = pages.flatMap((page) => page.keys);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages.every(({ revision }) => revision === first?.revision)).toBe(true);
    expect(keys.map(({ key }) => key.toString())).toContain('/registry/namespaces/new');
    expect(keys.every(({ modRevision }) => modRevision <= (first?.revision ?? 0))).toBe(true);
  });

  it('can be compared again when the live one was compacted beyond that revision meanwhile', async () => {
    await withMemberClient(etcd, async (client) => {
      const pages = liveKeys(client, { pageKeys: 2 });
      await pages.next();
      await put(etcd, '/registry/leases/kube-system/scheduler');
      await etcd.etcdctl('compaction', '--physical', String(await revisionOf()));
      const reading = pages.next();
      await expect(reading).rejects.toThrow(DatastoreError);
      await expect(reading).rejects.toThrow(/has compacted the revision already/);
    });
    expect((await differenceOf(etcd, path)).named.vanishes).toContain('namespaces/new');
  });

  it('have the sampled keys in common, by content, where nothing was done since', async () => {
    const file = await saveSnapshot(etcd);
    const sample = await sampleKeys(file, 5, randomNumbers(seed));
    expect(sample.map(({ key }) => key)).toContain('/registry/namespaces/kube-system');
    expect(sample).toHaveLength(5);
    const live = await withMemberClient(etcd, (client) =>
      Promise.all(
        sample.map(async ({ key }) => {
          const { kvs } = await client.range({ key: Buffer.from(key) });
          return kvs.map(({ value }) => ({ key, sha256: createHash('sha256').update(value).digest('hex') }));
        }),
      ),
    );
    expect(live.flat()).toEqual(sample);
  });
});

describe('the difference of large keyspaces', () => {
  const KEYS = 100_000;
  const KEYS_A_TRANSACTION = 125;

  /** A process of its own, as memory peaks over all that a process ever did; the live keys have none of the snapshot's names. */
  const program = (path: string): string => `
    import { differenceFromLive } from '${import.meta.resolve('../../../lambdas/datastores/etcd/snapshot-difference.ts')}';
    const before = process.resourceUsage().maxRSS;
    async function* pages() {
      for (let first = 0; first < ${KEYS}; first += 2000) {
        const keys = Array.from({ length: 2000 }, (_, index) => ({
          key: Buffer.from('/registry/example.com/widgets/namespace/widget-' + (first + index)),
          modRevision: first + index + 2,
        }));
        yield { revision: ${KEYS}, keys };
      }
    }
    const { resources, named } = await differenceFromLive('${path}', pages());
    const grownKibibytes = process.resourceUsage().maxRSS - before;
    console.log(JSON.stringify({ resources, leftOut: named.leftOut, grownKibibytes }));
  `;

  it('takes memory for neither names nor values', async () => {
    const path = join(directory, 'large.db');
    await withEtcd({ version: '3.6.5' }, async (etcd) => {
      const value = Buffer.alloc(300, 'x');
      for (let first = 0; first < KEYS; first += KEYS_A_TRANSACTION) {
        const operations = Array.from({ length: KEYS_A_TRANSACTION }, (_, index) => ({
          key: `/registry/configmaps/namespace/configmap-${first + index}`,
          value,
        }));
        await transact(etcd, operations);
      }
      await etcd.etcdctl(['snapshot', 'save', path]);
    });
    // The names alone, in a Set, do not fit into this heap.
    const flags = ['--max-old-space-size=24', '--input-type=module', '--eval', program(path)];
    const { grownKibibytes, ...result } = JSON.parse(await requireCommand(process.execPath, flags)) as {
      grownKibibytes: number;
    };
    expect(result).toEqual({
      resources: [
        { resource: 'configmaps', churn: false, comesBack: KEYS, vanishes: 0, reverted: 0, same: 0 },
        { resource: 'example.com/widgets', churn: false, comesBack: 0, vanishes: KEYS, reverted: 0, same: 0 },
      ],
      leftOut: { comesBack: 0, vanishes: KEYS - 200, reverted: 0 },
    });
    // 16 MiB of blocks of the file, that heap, and the figures of 200,000 keys.
    expect(grownKibibytes / 1024).toBeLessThan(80);
  });
});
