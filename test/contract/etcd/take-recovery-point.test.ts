import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { TunnelError } from '../../../lambdas/domain/errors.ts';
import { IDENTITY, recoveryPointPrefix, type Manifest } from '../../../lambdas/domain/recovery-point.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import { isOwnFile } from '../../../lambdas/recovery-points/own-files.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { putValues } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { backUpEtcd } from '../backed-up-etcd.ts';
import { addressOf } from '../stored-points.ts';

jest.setTimeout(120_000);

let etcd: SecureEtcd;
let directory: string;
let time: number;
let told: string[];

beforeAll(async () => {
  etcd = await SecureEtcd.start({ release: '3.6', members: 3 });
});
afterAll(async () => {
  await etcd.stop();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-take-'));
  time = Date.parse('2026-01-02T03:04:05Z');
  told = [];
});
afterEach(() => rm(directory, { recursive: true }));

async function take(openTunnel: Cluster['openTunnel'] = etcd.cluster.openTunnel): Promise<Manifest> {
  return await backUpEtcd(etcd, {
    store: new DirectoryStore(directory),
    clock: () => new Date(time),
    report: (progress) => {
      if (progress.kind === 'phase-finished') told.push(`${progress.phase}: ${progress.outcome}`);
    },
    openTunnel,
  });
}

const proofsOf = ({ proofs }: Manifest) =>
  proofs.map(({ kind, datastore, result }) => `${kind} of ${datastore} ${result}`);

describe('a recovery point of real members', () => {
  it('has every proof, files of our own names alone, and phases that say what was done', async () => {
    await putValues(etcd, 'etcd-0', { count: 5, value: () => Buffer.from('value') });
    const manifest = await take();
    const [entry] = manifest.datastores;
    expect(manifest).toMatchObject({
      manifestVersion: 2,
      datastores: [{ kind: 'etcd', name: 'main', version: '3.6.5' }],
    });
    expect(proofsOf(manifest)).toEqual([
      'stream of main passed',
      'structure of main passed',
      'live of main passed',
      `structure of ${IDENTITY} passed`,
    ]);
    const files = await readdir(join(directory, recoveryPointPrefix(addressOf(manifest.id))));
    expect(files.sort()).toEqual(['etcd-main.db.zst', 'identity.json.zst', 'manifest.json']);
    expect(files.filter((file) => !isOwnFile(file))).toEqual([]);
    const at = `revision ${entry?.revision ?? 0}`;
    expect(told).toEqual([
      'discover: hypershift 4.20.1 with 3 etcd members',
      'identity: read back: 1 objects as listed',
      expect.stringMatching(/^snapshot: \S+ \S+ from etcd-\d, stored \S+ \S+$/),
      expect.stringMatching(/^read back: \S+ \S+, SHA-256 as taken$/),
      `structure: every page walked: ${entry?.keys ?? 0} keys at ${at}`,
      expect.stringMatching(`^live: passed: HashKV at ${at} equal on etcd-0, etcd-1, etcd-2$`),
    ]);
  });

  it('tells how fast was written since the one before', async () => {
    const [first] = (await take()).datastores;
    await putValues(etcd, 'etcd-0', { count: 20, value: () => Buffer.from('value') });
    time += 10_000;
    const [second] = (await take()).datastores;
    const written = (second?.revision ?? 0) - (first?.revision ?? 0);
    expect(written).toBeGreaterThan(0);
    expect([first?.writesPerSecond, second?.writesPerSecond]).toEqual([null, written / 10]);
  });

  it('says which members it could not be compared with', async () => {
    const manifest = await take((target) =>
      told.some((phase) => phase.startsWith('snapshot: '))
        ? Promise.reject(new TunnelError('the node is restarting'))
        : etcd.cluster.openTunnel(target),
    );
    expect(proofsOf(manifest)).toContain('live of main inconclusive');
    const live = manifest.proofs.find(({ kind }) => kind === 'live');
    expect(live?.detail).toMatch(/^not compared: etcd-0 \(the node is restarting\), etcd-1 \(.*\), etcd-2 \(.*\)$/);
  });
});
