import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfiguration } from '../../../bin/local/configuration-file.ts';
import { openPorts, type Ports } from '../../../bin/local/ports.ts';
import { LifeboatError } from '../../../lambdas/domain/errors.ts';
import type { Manifest } from '../../../lambdas/domain/recovery-point.ts';
import { identityObject, snapshotObject } from '../../../lambdas/recovery-points/layout.ts';
import { unpackToBuffer } from '../../../lambdas/recovery-points/unpack.ts';
import { verifyRecoveryPoint } from '../../../lambdas/recovery-points/verify.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { directoryWorkspace, SETUP_TIMEOUT_MILLISECONDS, sharedBed, sharedHostedCluster } from '../bed.ts';
import { backUpInProcess } from './in-process.ts';

const CONTROL_PLANE = 'mgmt-a/shared/prod';
/** How many bits are flipped in each file; verifying the others unpacks and walks the whole snapshot each time. */
const FLIPS = { 'etcd-main.db.zst': 800, 'identity.json.zst': 100, 'manifest.json': 100 };
const TRUNCATIONS = 20;
type FileName = keyof typeof FLIPS;
type Verdict = 'unreadable' | 'refused' | 'harmless' | 'taken for good';
const FILES = Object.keys(FLIPS) as FileName[];

let workspace: Workspace;
let ports: Ports;
let manifest: Manifest;
let intact: Readonly<Record<FileName, Buffer>>;
let unpacked: readonly Buffer[];

const pathOf = (file: string) =>
  join(workspace.directory, 'recovery-points/recovery-points/hypershift', CONTROL_PLANE, manifest.id, file);

beforeAll(async () => {
  const bed = await sharedBed();
  await sharedHostedCluster(bed.clusters[0]);
  workspace = await directoryWorkspace(bed);
  const outcome = await backUpInProcess(workspace, CONTROL_PLANE);
  if (outcome.manifest === undefined) throw new Error('no recovery point to damage', { cause: outcome.error });
  manifest = outcome.manifest;
  const contents = await Promise.all(FILES.map(async (file) => [file, await readFile(pathOf(file))] as const));
  intact = Object.fromEntries(contents) as Record<FileName, Buffer>;
  const configuration = loadConfiguration(undefined, workspace.directory);
  ports = await openPorts(configuration, () => undefined, new AbortController().signal);
  unpacked = await unpackAll();
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
}, SETUP_TIMEOUT_MILLISECONDS);

/** Everything that a restore would be given. */
async function unpackAll(): Promise<Buffer[]> {
  const { address, manifest: told } = await ports.findPoint(manifest.id);
  const objects = [
    ...told.datastores.map((datastore) => snapshotObject(address, datastore)),
    identityObject(address, told),
  ];
  return await Promise.all(objects.map((object) => unpackToBuffer(ports.store, object)));
}

/** What becomes of the point as it now lies in the store. */
async function judge(): Promise<Verdict> {
  try {
    const point = await ports.findPoint(manifest.id);
    const proofs = await verifyRecoveryPoint(point, undefined, ports);
    if (proofs.some(({ result }) => result === 'refused')) {
      expect((await ports.findPoint(manifest.id)).verdict).toBe('refused');
      return 'refused';
    }
    const now = await unpackAll();
    return now.every((bytes, index) => bytes.equals(unpacked[index] ?? Buffer.alloc(0)))
      ? 'harmless'
      : 'taken for good';
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    expect(error.kind).not.toBe('transient');
    return 'unreadable';
  } finally {
    await rm(pathOf('proofs'), { recursive: true, force: true });
  }
}

/** Judges a file that was damaged, and mends it. */
async function judgeDamaged(file: FileName, what: string, damage: () => Promise<void>): Promise<Verdict> {
  try {
    await damage();
    return await judge();
  } catch (cause) {
    throw new Error(`${file} ${what} of seed ${seed}`, { cause });
  } finally {
    await writeFile(pathOf(file), intact[file]);
  }
}

describe('a recovery point that is damaged in the store', () => {
  it('is verified while it is whole', async () => {
    expect(await judge()).toBe('harmless');
  }, 60_000);

  it.each(FILES)(
    'by a flipped bit in %s is refused, or restores the very same',
    async (file) => {
      const random = randomNumbers(seed);
      const counts = new Map<Verdict, number>();
      for (let flip = 0; flip < FLIPS[file]; flip += 1) {
        const bit = Math.floor(random() * intact[file].length * 8);
        const verdict = await judgeDamaged(file, `with bit ${bit} flipped`, async () => {
          const bytes = Buffer.from(intact[file]);
          bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          await writeFile(pathOf(file), bytes);
        });
        counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      }
      process.stderr.write(`${file}, ${FLIPS[file]} flipped bits: ${JSON.stringify(Object.fromEntries(counts))}\n`);
      expect([...counts.keys()]).not.toContain('taken for good');
      expect(counts.get('harmless') ?? 0).toBeLessThan(FLIPS[file]);
    },
    600_000,
  );

  it.each(FILES)(
    'by the loss of the end of %s is refused, or restores the very same',
    async (file) => {
      const random = randomNumbers(seed);
      const whole = intact[file].length;
      const lengths = [0, 1, whole - 1, ...Array.from({ length: TRUNCATIONS }, () => Math.floor(random() * whole))];
      for (const length of lengths) {
        const what = `cut to ${length} bytes`;
        const verdict = await judgeDamaged(file, what, () => truncate(pathOf(file), length));
        expect({ what, verdict }).not.toEqual({ what, verdict: 'taken for good' });
      }
    },
    240_000,
  );
});
