import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Access } from '../../../lambdas/datastores/driver.ts';
import { etcdDriver } from '../../../lambdas/datastores/etcd/driver.ts';
import type { DedicatedEtcd, Seal } from '../../../lambdas/domain/datastore.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';

jest.setTimeout(120_000);

const sampled = (key: string, value: string) => ({ key, sha256: createHash('sha256').update(value).digest('hex') });

describe('the driver of an etcd of three members', () => {
  let etcd: SecureEtcd;
  let datastore: DedicatedEtcd;
  let access: Access;

  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release: '3.6', members: 3 });
    const { tls, ...untold } = etcd.workload;
    datastore = untold;
    access = { cluster: etcd.cluster, signal: AbortSignal.timeout(110_000), tls };
    await etcd.etcdctl('put', '/registry/one', 'a');
    await etcd.etcdctl('put', '/registry/two', 'b');
  });
  afterAll(async () => {
    await etcd.stop();
  });

  /** A follower may be behind for a moment. */
  const sealed = (): Promise<Seal> =>
    waitFor(
      'all members to agree',
      async () =>
        etcdDriver.seal(await etcdDriver.writeMark(datastore, access), datastore, access).catch(() => undefined),
      { timeoutSeconds: 30 },
    );

  it('tells values that are others, and keys that are gone, whatever the revisions', async () => {
    const sample = [sampled('/registry/one', 'a'), sampled('/registry/two', 'b'), sampled('/registry/gone', 'c')];
    expect(await etcdDriver.unlike(sample, datastore, access)).toEqual(['/registry/gone']);
    await etcd.etcdctl('put', '/registry/two', 'other');
    expect(await etcdDriver.unlike(sample, datastore, access)).toEqual(['/registry/two', '/registry/gone']);
    await etcd.etcdctl('put', '/registry/two', 'b');
    expect(await etcdDriver.unlike(sample, datastore, access)).toEqual(['/registry/gone']);
  });

  it('gives a mark that stays while nobody writes, and changes with a write', async () => {
    const before = await etcdDriver.writeMark(datastore, access);
    expect(await etcdDriver.writeMark(datastore, access)).toBe(before);
    await etcd.etcdctl('put', '/registry/one', 'a');
    expect(await etcdDriver.writeMark(datastore, access)).not.toBe(before);
  });

  it('tells a write after a seal, and none when etcd itself ends a lease; what was sealed it holds all the same', async () => {
    const lease = await etcd.etcdctl('lease', 'grant', '600');
    const [, id = ''] = /lease (\w+) granted/.exec(lease) ?? [];
    await etcd.etcdctl('put', '/registry/events/one', 'x', `--lease=${id}`);
    const seal = await sealed();
    expect(await etcdDriver.whyWritten(seal, datastore, access)).toBeUndefined();
    await etcd.etcdctl('lease', 'revoke', id);
    expect((await sealed()).revision).toBeGreaterThan(seal.revision);
    expect(await etcdDriver.whyWritten(seal, datastore, access)).toBeUndefined();
    await etcd.etcdctl('put', '/registry/three', 'c');
    expect(await etcdDriver.whyWritten(seal, datastore, access)).toBe(
      `datastore main was written to after revision ${seal.revision}`,
    );
    expect(await etcdDriver.compareSeal(seal, datastore, access)).toEqual({});
  });

  it('is sealed at the mark that was seen, whatever was written since', async () => {
    const mark = await etcdDriver.writeMark(datastore, access);
    await etcd.etcdctl('put', '/registry/four', 'd');
    expect(await etcdDriver.seal(mark, datastore, access)).toMatchObject({ revision: Number(mark) });
  });

  it('tells other content at the same revision, and members that can not tell', async () => {
    const seal = await sealed();
    expect(await etcdDriver.compareSeal({ ...seal, hash: seal.hash + 1 }, datastore, access)).toEqual({
      other: expect.stringMatching(/^etcd-\d of datastore main does not hold what it held behind the fence$/),
    });
    const ahead = { ...seal, revision: seal.revision + 1000 };
    expect(await etcdDriver.compareSeal(ahead, datastore, access)).toEqual({
      untold: expect.stringMatching(/^etcd-\d does not tell its hash: /),
    });
  });
});
