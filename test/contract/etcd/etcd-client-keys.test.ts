import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EtcdClient } from '../../../lambdas/datastores/etcd/wire/etcd-client.ts';
import type { RangeAnswer } from '../../../lambdas/datastores/etcd/wire/messages.ts';
import { DatastoreError } from '../../../lambdas/domain/errors.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { withMemberClient } from './member-client.ts';

const POD = 'etcd-0';

describe.each(['3.5', '3.6'] as const)('the client of a real etcd %s', (release) => {
  let etcd: SecureEtcd;
  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release });
  });
  afterAll(async () => {
    await etcd.stop();
  });

  const text = ({ kvs }: RangeAnswer): string[] => kvs.map(({ key, value }) => `${key.toString()}=${value.toString()}`);
  const all = { key: Buffer.from('/r/'), rangeEnd: Buffer.from('/r0') };

  beforeEach(async () => {
    await etcd.etcdctl('del', '/r/', '--prefix');
    for (const name of ['a', 'b', 'c', 'd']) await etcd.etcdctl('put', `/r/${name}`, `first ${name}`);
  });

  it('reads keys one by one and by ranges, in order, with all that etcdctl prints', async () => {
    const granted = await etcd.etcdctl('lease', 'grant', '3600');
    // etcdctl prints it with leading zeros.
    const lease = /^lease 0*([0-9a-f]+) granted/.exec(granted)?.[1] ?? '';
    await etcd.etcdctl('put', '/r/b', 'second b', `--lease=${lease}`);
    const [one, none, range] = await withMemberClient(etcd, (client) =>
      Promise.all([
        client.range({ key: Buffer.from('/r/b') }),
        client.range({ key: Buffer.from('/r/none') }),
        client.range(all),
      ]),
    );
    const printed = JSON.parse(await etcd.etcdctl('get', '/r/b', '-w', 'json')) as {
      header: Printed;
      kvs: Printed[];
    };
    expect(one).toEqual({
      revision: printed.header['revision'],
      more: false,
      count: 1,
      kvs: [
        {
          key: Buffer.from('/r/b'),
          value: Buffer.from('second b'),
          createRevision: printed.kvs[0]?.['create_revision'],
          modRevision: printed.kvs[0]?.['mod_revision'],
          version: 2,
          lease,
        },
      ],
    });
    expect(none).toMatchObject({ count: 0, more: false, kvs: [] });
    expect(text(range)).toEqual(['/r/a=first a', '/r/b=second b', '/r/c=first c', '/r/d=first d']);
    expect(range.kvs.map((kv) => kv.lease)).toEqual(['0', lease, '0', '0']);
  });

  it('reads as many keys as asked for, without their values, at a past revision', async () => {
    await withMemberClient(etcd, async (client) => {
      const { revision } = await client.range(all);
      await etcd.etcdctl('put', '/r/a', 'second a');
      await etcd.etcdctl('del', '/r/b');
      const past = await client.range({ ...all, revision, limit: 2 });
      expect(past).toMatchObject({ revision: revision + 2, more: true, count: 4 });
      expect(text(past)).toEqual(['/r/a=first a', '/r/b=first b']);
      expect(text(await client.range({ ...all, keysOnly: true }))).toEqual(['/r/a=', '/r/c=', '/r/d=']);
      await etcd.etcdctl('compaction', '--physical', String(revision + 2));
      await expect(client.range({ ...all, revision })).rejects.toThrow(/has compacted the revision already/);
    });
  });

  it('deletes one key, a range, and nothing that was not asked for', async () => {
    await withMemberClient(etcd, async (client) => {
      expect(await client.deleteKeys(Buffer.from('/r/b'))).toBe(1);
      expect(await client.deleteKeys(Buffer.from('/r/b'))).toBe(0);
      expect(await client.deleteKeys(Buffer.from('/r/a'), Buffer.alloc(0))).toBe(1);
      expect(text(await client.range(all))).toEqual(['/r/c=first c', '/r/d=first d']);
      await etcd.etcdctl('put', '/s/a', 'beyond the range');
      expect(await client.deleteKeys(Buffer.from('/r/d'), all.rangeEnd)).toBe(1);
      expect(text(await client.range(all))).toEqual(['/r/c=first c']);
      expect(await client.range({ key: Buffer.from('/s/a') })).toMatchObject({ count: 1 });
    });
  });
});

describe.each(['3.5', '3.6'] as const)('the last of three members of etcd %s', (release) => {
  it('gives its keys when told not to ask the leader, and else says that it cannot', async () => {
    const etcd = await SecureEtcd.start({ release, members: 3 });
    try {
      await etcd.etcdctl('put', '/registry/a', 'x');
      const client = await EtcdClient.connect(
        () => etcd.cluster.openTunnel({ namespace: '', pod: POD, port: 0 }),
        etcd.workload.tls,
        { member: POD, callTimeoutMilliseconds: 1000 },
      );
      const key = Buffer.from('/registry/a');
      await waitFor('the key to arrive', async () => (await client.range({ key, serializable: true })).count === 1, {
        timeoutSeconds: 10,
      });
      await etcd.kill('etcd-1');
      await etcd.kill('etcd-2');
      await expect(client.range({ key })).rejects.toBeInstanceOf(DatastoreError);
      expect(await client.range({ key, serializable: true })).toMatchObject({ count: 1 });
      await client.close();
    } finally {
      await etcd.stop();
    }
  });
});

type Printed = Record<string, unknown>;
