import { randomUUID } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestSchema, type Manifest } from '../../../lambdas/domain/recovery-point.ts';
import type { Workspace } from '../../suite/lifeboat.ts';

/** A recovery point that must not be restored, and what is said of it. */
export interface UnfitPoint {
  readonly what: string;
  /** What is done to the stored snapshot of a verified point. */
  readonly spoil?: (stored: Buffer) => Buffer;
  /** What is done to its manifest. */
  readonly change?: (manifest: Manifest) => Partial<Manifest>;
  /** How it is chosen; default: by its id. */
  readonly chosenBy?: readonly string[];
  readonly exitCode: number;
  readonly says: string;
}

/** Older than every other point, so that `--at` finds none but this one. */
const TAKEN_AT = '2020-01-02T03:04:05.000Z';
const ID = '20200102T030405Z-0000';

export const UNFIT_POINTS: readonly UnfitPoint[] = [
  { what: 'has one bit flipped', spoil: flipBit, exitCode: 3, says: 'Do not restore from this recovery point' },
  {
    what: 'has lost its end',
    spoil: (stored) => stored.subarray(0, stored.length / 2),
    exitCode: 3,
    says: 'Do not restore from this recovery point',
  },
  {
    what: 'is of another control plane of the same name',
    change: () => ({ controlPlaneUid: randomUUID() }),
    exitCode: 2,
    says: '--accept-other-uid',
  },
  {
    what: 'is of a newer control plane',
    change: () => ({ controlPlaneVersion: '99.0.0' }),
    exitCode: 2,
    says: 'Upgrade the control plane to 99.0.0 first',
  },
  {
    what: 'has the form of a newer etcd',
    change: ({ datastores }) => ({ datastores: datastores.map((etcd) => ({ ...etcd, storageVersion: '99.0.0' })) }),
    exitCode: 2,
    says: 'has the form of etcd 99.0.0',
  },
  {
    what: 'is not verified yet',
    change: ({ proofs }) => ({ proofs: proofs.filter(({ kind }) => kind === 'stream') }),
    chosenBy: ['--at', TAKEN_AT],
    exitCode: 2,
    says: 'no verified recovery point',
  },
];

function flipBit(stored: Buffer): Buffer {
  const middle = Math.floor(stored.length / 2);
  stored.writeUInt8(stored.readUInt8(middle) ^ 1, middle);
  return stored;
}

/** Copies a verified point and makes it unfit. Gives the arguments that choose it, and removes it again. */
export async function plantUnfitPoint(
  workspace: Workspace,
  { id, controlPlane }: Manifest,
  { spoil, change, chosenBy = ['--point', ID] }: UnfitPoint,
): Promise<{ readonly chosenBy: readonly string[]; readonly remove: () => Promise<void> }> {
  const points = join(workspace.directory, 'recovery-points/recovery-points/hypershift', controlPlane);
  const planted = join(points, ID);
  await cp(join(points, id), planted, { recursive: true });
  const snapshotFile = join(planted, 'etcd-main.db.zst');
  if (spoil !== undefined) await writeFile(snapshotFile, spoil(await readFile(snapshotFile)));
  const manifestFile = join(planted, 'manifest.json');
  const manifest = manifestSchema.parse(JSON.parse(await readFile(manifestFile, 'utf8')));
  await writeFile(manifestFile, JSON.stringify({ ...manifest, id: ID, takenAt: TAKEN_AT, ...change?.(manifest) }));
  return { chosenBy, remove: () => rm(planted, { recursive: true }) };
}
