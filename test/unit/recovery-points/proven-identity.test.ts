import { rm, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tellBackup } from '../../../bin/commands/backup.ts';
import { verify } from '../../../bin/commands/verify.ts';
import type { Ports } from '../../../bin/local/ports.ts';
import { EXIT } from '../../../bin/output/exit-codes.ts';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { formatControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { CorruptSnapshotError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { LifeboatEvent } from '../../../lambdas/domain/events.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { IDENTITY, manifestKey, recoveryPointPrefix, type Proof } from '../../../lambdas/domain/recovery-point.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { verifyScheduled } from '../../../lambdas/policy-runs/back-up.ts';
import { verifyRecoveryPoint } from '../../../lambdas/recovery-points/verify.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { addressOf, CONTROL_PLANE } from '../../contract/stored-points.ts';
import { temporaryFiles } from '../etcd-file/snapshot-fixture.ts';
import { proofOf, storeWholePoint, WHOLE_ID, type WholePointOptions } from './whole-point.ts';

const file = temporaryFiles();
const TAKEN = [proofOf('stream', 'passed'), proofOf('structure', 'passed'), proofOf('live', 'passed')];
const PROVEN = [...TAKEN, proofOf('structure', 'passed', IDENTITY)];
const NAME = formatControlPlaneName(CONTROL_PLANE);

let directory: string;
let ports: ClusterRunPorts & Pick<Ports, 'findPoint'>;
let published: LifeboatEvent[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-identity-'));
  published = [];
  const store = new DirectoryStore(directory);
  const catalogue = new Catalogue(store);
  const clock = () => new Date();
  ports = {
    ...{ store, catalogue, clock, journal: new Journal(store, 'backup'), locks: new Locks(store) },
    now: () => performance.now(),
    random: Math.random,
    report: () => undefined,
    signal: new AbortController().signal,
    toolVersion: '0.0.0-test',
    configuration: configurationSchema.parse({
      store: directory,
      managementClusters: {},
      policies: { nightly: { schedule: '@daily', retention: { last: 2 }, verification: 'structure' } },
    }),
    connect: () => Promise.reject(new Error('no cluster is asked')),
    restoreCredentialsEndAt: () => Promise.resolve(null),
    events: {
      publish(event) {
        published.push(event);
        return Promise.resolve();
      },
    },
    findPoint: (id) => catalogue.find(id),
  };
});
afterEach(() => rm(directory, { recursive: true }));

const stored = async (options: WholePointOptions) => {
  await storeWholePoint(ports.store, file, options);
  return await ports.catalogue.find(WHOLE_ID);
};
const verdictNow = async () => (await ports.catalogue.find(WHOLE_ID)).verdict;
const pathOf = (name: string) => join(directory, `${recoveryPointPrefix(addressOf(WHOLE_ID))}${name}`);
const refusedParts = (proofs: readonly Proof[]) =>
  proofs.filter(({ result }) => result === 'refused').map(({ kind, datastore }) => `${kind} ${datastore}`);

async function flipBit(name: string): Promise<void> {
  const bytes = await readFile(pathOf(name));
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  await writeFile(pathOf(name), bytes);
}

describe('a recovery point whose identity was read back when it was taken', () => {
  it('is verified only with that proof, and gains it by verify', async () => {
    expect((await stored({ proofs: TAKEN })).verdict).toBe('stored');
    const verified = await verify(ports as unknown as Ports, WHOLE_ID, { live: false });
    expect(verified).toMatchObject({ exitCode: EXIT.done, json: { result: 'passed' } });
    expect(await verdictNow()).toBe('verified');
  });

  it.each<[string, () => Promise<void>]>([
    ['has one bit flipped', () => flipBit('identity.json.zst')],
    ['is gone', () => rm(pathOf('identity.json.zst'))],
  ])('is refused when the identity %s', async (_, damage) => {
    const point = await stored({ proofs: PROVEN });
    expect(point.verdict).toBe('verified');
    await damage();
    expect(refusedParts(await verifyRecoveryPoint(point, undefined, ports))).toEqual([`structure ${IDENTITY}`]);
    expect(await verdictNow()).toBe('refused');
  });

  it.each([
    ['is no JSON', Buffer.from('password: hunter2')],
    ['is no list of objects', Buffer.from('{"items":[{"password":"hunter2"}]}')],
    ['holds fewer objects than are listed', Buffer.from('{"items":[]}')],
  ])('is refused when what was stored %s, and no Secret of it is told', async (_, identity) => {
    const proofs = await verifyRecoveryPoint(await stored({ proofs: PROVEN, identity }), undefined, ports);
    expect(refusedParts(proofs)).toEqual([`structure ${IDENTITY}`]);
    expect(JSON.stringify(proofs)).not.toContain('hunter2');
  });
});

describe('a recovery point of before identities were read back', () => {
  it('counts as verified by its datastores, and is refused when verify finds its identity damaged', async () => {
    const point = await stored({ proofs: TAKEN, readBack: false });
    expect(point.verdict).toBe('verified');
    await verifyRecoveryPoint(point, undefined, ports);
    expect((await ports.catalogue.find(WHOLE_ID)).proofs).toContainEqual(
      expect.objectContaining({ kind: 'structure', datastore: IDENTITY, result: 'passed' }),
    );
    await flipBit('identity.json.zst');
    await verifyRecoveryPoint(point, undefined, ports);
    expect(await verdictNow()).toBe('refused');
  });
});

describe('a recovery point that lacks what its manifest promises', () => {
  it('is refused when the snapshot is gone', async () => {
    const point = await stored({ proofs: PROVEN });
    await rm(pathOf('etcd-main.db.zst'));
    expect(refusedParts(await verifyRecoveryPoint(point, undefined, ports))).toEqual(['structure main']);
  });

  it('is not refused, but gone, when it was deleted while it was read', async () => {
    const point = await stored({ proofs: PROVEN });
    await ports.store.remove(manifestKey(point.address));
    await rm(pathOf('etcd-main.db.zst'));
    await expect(verifyRecoveryPoint(point, undefined, ports)).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe('a recovery point whose file is sound but not the one of its manifest', () => {
  it.each(['revision', 'compactRevision', 'keys', 'statusHash'] as const)('is refused by its %s', async (figure) => {
    const point = await stored({ proofs: PROVEN });
    const [etcd] = point.manifest.datastores;
    if (etcd === undefined) throw new Error('the stored point has no datastore');
    const datastores = [{ ...etcd, [figure]: etcd[figure] + 1 }];
    const proofs = await verifyRecoveryPoint(
      { ...point, manifest: { ...point.manifest, datastores } },
      undefined,
      ports,
    );
    expect(refusedParts(proofs)).toEqual(['structure main']);
    const [refused] = proofs;
    expect(refused?.detail).toMatch(new RegExp(`is ${etcd[figure]} instead of ${etcd[figure] + 1}$`));
  });
});

describe('a recovery point of which a proof is refused', () => {
  const refusals = [
    ['live', proofOf('live', 'refused')],
    ['identity', proofOf('structure', 'refused', IDENTITY)],
  ] as const;

  it.each(refusals)('is no success of backup, and is announced: %s', async (_, refusal) => {
    const point = await stored({ proofs: [...PROVEN, refusal] });
    const { exitCode, text } = await tellBackup(point, ports);
    expect(exitCode).toBe(EXIT.refused);
    expect(text).toMatch(/^recovery point \S+ of \S+ is REFUSED/);
    expect(text).toContain(refusal.detail);
    expect(published.map(({ type }) => type)).toEqual(['RecoveryPointRefused']);
  });

  it('is a success of backup when every proof has passed, and only then', async () => {
    const told = await tellBackup(await stored({ proofs: PROVEN }), ports);
    expect(told).toMatchObject({ exitCode: EXIT.done });
    expect(told.text).toContain('proofs: stream, structure, live, identity');
    expect(published).toEqual([]);
  });

  it('fails its step in the run of a policy, and is announced: bytes that are sound undo nothing that members said', async () => {
    await stored({ proofs: [...PROVEN, proofOf('live', 'refused')] });
    const { token } = await ports.locks.acquire(controlPlaneLock(NAME), 'nightly-1', 'backs it up', 60_000);
    const item = { runId: 'nightly-1', policy: 'nightly', slot: '2026-01-02T03:00:00Z', controlPlane: NAME };
    const verifying = verifyScheduled(
      { ...item, platform: 'hypershift', lock: { token }, point: { id: WHOLE_ID } },
      ports,
    );
    await expect(verifying).rejects.toBeInstanceOf(CorruptSnapshotError);
    expect(published.map(({ type }) => type)).toEqual(['RecoveryPointRefused']);
  });

  it('stays refused for verify without --live, which says what stands against it', async () => {
    await stored({ proofs: [...PROVEN, proofOf('live', 'refused')] });
    const { exitCode, text, json } = await verify(ports as unknown as Ports, WHOLE_ID, { live: false });
    expect([exitCode, json]).toMatchObject([EXIT.refused, { result: 'refused' }]);
    expect(text).toContain('live of main was refused before, and that stands');
  });
});
