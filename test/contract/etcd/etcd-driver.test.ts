import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Access } from '../../../lambdas/datastores/driver.ts';
import { etcdDriver } from '../../../lambdas/datastores/etcd/driver.ts';
import type { DedicatedEtcd, Seal } from '../../../lambdas/domain/datastore.ts';
import { DatastoreError } from '../../../lambdas/domain/errors.ts';
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
    waitFor('all members to agree', () => etcdDriver.seal(datastore, access).catch(() => undefined), {
      timeoutSeconds: 30,
    });

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

  it('holds what was sealed until somebody writes, not when etcd itself ends a lease', async () => {
    const lease = await etcd.etcdctl('lease', 'grant', '600');
    const [, id = ''] = /lease (\w+) granted/.exec(lease) ?? [];
    await etcd.etcdctl('put', '/registry/events/one', 'x', `--lease=${id}`);
    const seal = await sealed();
    expect(await etcdDriver.whyUnsealed(seal, datastore, access)).toBeUndefined();
    await etcd.etcdctl('lease', 'revoke', id);
    expect((await sealed()).revision).toBeGreaterThan(seal.revision);
    expect(await etcdDriver.whyUnsealed(seal, datastore, access)).toBeUndefined();
    await etcd.etcdctl('put', '/registry/three', 'c');
    expect(await etcdDriver.whyUnsealed(seal, datastore, access)).toBe(
      `datastore main was written to after revision ${seal.revision}`,
    );
  });

  it('tells other content at the same revision', async () => {
    const seal = await sealed();
    expect(await etcdDriver.whyUnsealed({ ...seal, hash: seal.hash + 1 }, datastore, access)).toMatch(
      /^etcd-\d of datastore main does not hold what it held behind the fence$/,
    );
  });

  it('tells nothing where no member knows the revision', async () => {
    const seal = await sealed();
    const ahead = { ...seal, revision: seal.revision + 1000 };
    await expect(etcdDriver.whyUnsealed(ahead, datastore, access)).rejects.toThrow(DatastoreError);
  });
});
