import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readSnapshotFile } from '../../../lambdas/datastores/etcd/file/snapshot-file.ts';
import { CorruptSnapshotError } from '../../../lambdas/domain/errors.ts';
import type { SnapshotFacts } from '../../../lambdas/domain/snapshot-facts.ts';
import { seed } from '../../suite/seed.ts';
import { stopAbandoned, transact, withEtcd } from './etcd-snapshots.ts';

const FLIPS = 1000;
const CUTS = 300;
const TRAILER_BYTES = 32;

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-etcd-damage-'));
const path = join(directory, 'damaged.db');
let whole = Buffer.alloc(0);
let facts: SnapshotFacts;

beforeAll(async () => {
  await withEtcd({ version: '3.6.5' }, async (etcd) => {
    for (let round = 0; round < 12; round += 1) {
      const operations = Array.from({ length: 40 }, (_, index) => ({
        key: `/registry/secrets/ns-${index % 4}/name-${index}`,
        value: `${round}`.repeat(index * 9),
      }));
      await transact(etcd, operations);
    }
    await etcd.call('lease/grant', { ID: '7', TTL: '3600' });
    await transact(etcd, [{ key: '/registry/masterleases/10.0.0.1', value: 'x'.repeat(9000), lease: '7' }]);
    const deletion = await transact(etcd, [{ key: '/registry/secrets/ns-1/name-1' }]);
    await etcd.etcdctl(['compact', String(deletion - 3), '--physical']);
    await etcd.etcdctl(['defrag', '--command-timeout=60s']);
    await etcd.etcdctl(['snapshot', 'save', path]);
  });
  whole = await readFile(path);
  facts = await readSnapshotFile(path);
}, 240_000);

afterAll(async () => {
  await stopAbandoned();
  await rm(directory, { recursive: true });
});

/** Whole numbers below `bound`, the same for the same seed: words of a hash over the seed and a counter. */
function randomNumbers(count: number, bound: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const word = createHash('sha256').update(`${seed} ${index}`).digest().readUIntBE(0, 6);
    return word % bound;
  });
}

/** What reading the damaged file comes to; every error that is not about damage fails the test. */
async function readDamaged(file: Buffer): Promise<SnapshotFacts | 'refused'> {
  await writeFile(path, file);
  try {
    return await readSnapshotFile(path);
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptSnapshotError);
    return 'refused';
  }
}

function flipped(bit: number): Buffer {
  const file = Buffer.from(whole);
  const at = Math.floor(bit / 8);
  file.writeUInt8(file.readUInt8(at) ^ (1 << (bit % 8)), at);
  return file;
}

describe('a real snapshot', () => {
  it(`is refused with any of ${FLIPS} bits flipped`, async () => {
    for (const bit of randomNumbers(FLIPS, whole.length * 8)) expect(await readDamaged(flipped(bit))).toBe('refused');
  }, 300_000);

  it(`is refused, hashes differently or says the same with any of ${FLIPS} bits flipped and its own hash put right`, async () => {
    const outcomes = { refused: 0, hashed: 0, harmless: 0 };
    for (const bit of randomNumbers(FLIPS, (whole.length - TRAILER_BYTES) * 8)) {
      const file = flipped(bit);
      const content = file.subarray(0, -TRAILER_BYTES);
      createHash('sha256').update(content).digest().copy(file, content.length);
      const found = await readDamaged(file);
      if (found === 'refused') outcomes.refused += 1;
      else if (found.statusHash !== facts.statusHash) outcomes.hashed += 1;
      else {
        expect(found).toEqual(facts);
        outcomes.harmless += 1;
      }
    }
    process.stderr.write(`${FLIPS} flips: ${JSON.stringify(outcomes)}\n`);
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.hashed).toBeGreaterThan(0);
  }, 300_000);

  it(`is refused when cut at any of ${CUTS} lengths`, async () => {
    const pages = Array.from({ length: whole.length / facts.pageSizeBytes }, (_, page) => page * facts.pageSizeBytes);
    for (const length of [...randomNumbers(CUTS, whole.length), ...pages, whole.length - TRAILER_BYTES]) {
      expect(await readDamaged(whole.subarray(0, length))).toBe('refused');
    }
  }, 300_000);
});
