import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  manifestKey,
  pinKey,
  proofKey,
  recoveryPointId,
  recoveryPointPrefix,
  type Proof,
  type RecoveryPointAddress,
} from '../../../lambdas/domain/recovery-point.ts';
import { reasonToKeep, type PointFolder } from '../../../lambdas/policy-runs/sweep.ts';
import { isOwnFile } from '../../../lambdas/recovery-points/own-files.ts';
import { seed } from '../../suite/seed.ts';

const HOUR = 3_600_000;
const NOW = new Date('2026-01-05T12:00:00Z');
const hoursAgo = (hours: number) => new Date(NOW.getTime() - hours * HOUR);

/** A folder of a take that began so long ago, with files of the names and ages in hours. */
function folder(takenHoursAgo: number, files: Readonly<Record<string, number>>): PointFolder {
  return {
    id: recoveryPointId(hoursAgo(takenHoursAgo), () => 0),
    files: Object.entries(files).map(([name, hours]) => ({ name, modifiedAt: hoursAgo(hours) })),
  };
}

describe("the names of Lifeboat's own files", () => {
  it('are those that the keys of a recovery point are built of', () => {
    const address: RecoveryPointAddress = {
      platform: 'hypershift',
      controlPlane: { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' },
      id: '20260102T030405Z-a1b2',
    };
    const proofs = (['stream', 'structure', 'live', 'rehearsal'] as const).map((kind): Proof => ({
      kind,
      result: 'passed',
      takenAt: '2026-01-02T03:04:05.678Z',
      datastore: 'main',
      detail: '',
    }));
    const keys = [
      manifestKey(address),
      pinKey(address),
      ...proofs.map((proof) => proofKey(address, proof, '0a1b2c3d')),
    ];
    const names = keys.map((key) => key.slice(recoveryPointPrefix(address).length));
    expect(
      [...names, 'etcd-main.db.zst', 'etcd-events.db.zst', 'identity.json.zst'].filter((name) => !isOwnFile(name)),
    ).toEqual([]);
  });

  it.each([
    'notes.txt',
    'manifest.json.bak',
    'MANIFEST.json',
    'etcd-main.db',
    'sub/etcd-main.db.zst',
    'etcd-a/b.db.zst',
    'proofs/notes.json',
    'proofs/live-main.json/x',
    'proofs/',
    '',
  ])('are not those of others: %j', (name) => {
    expect(isOwnFile(name)).toBe(false);
  });
});

describe('what is left of a take', () => {
  it('may go when the take and all that it wrote are older than a day', () => {
    expect(reasonToKeep(folder(25, { 'etcd-main.db.zst': 25, 'identity.json.zst': 24.1 }), NOW)).toBeUndefined();
  });

  it.each<[string, PointFolder, RegExp]>([
    ['one of its files is young', folder(48, { 'etcd-main.db.zst': 48, 'etcd-events.db.zst': 23 }), /last 24 hours/],
    ['it began today, whatever the times of its files', folder(23, { 'etcd-main.db.zst': 1000 }), /last 24 hours/],
    ['it comes from the future', folder(-24, { 'etcd-main.db.zst': -24 }), /last 24 hours/],
    ['it is pinned', folder(48, { 'etcd-main.db.zst': 48, 'pin.json': 48 }), /^pinned$/],
    ["it holds a file that is not Lifeboat's", folder(48, { 'etcd-main.db.zst': 48, 'a.txt': 48 }), /holds a\.txt/],
    ['its id is no time', { ...folder(48, { 'etcd-main.db.zst': 48 }), id: '20269999T999999Z-aaaa' }, /last 24 hours/],
  ])('stays when %s', (_, left, reason) => {
    expect(reasonToKeep(left, NOW)).toMatch(reason);
  });

  it('stays whole as long as anything of it is younger than a day, whatever else lies there', () => {
    const names = ['etcd-main.db.zst', 'identity.json.zst', 'proofs/live-main-20260101T000000.000Z.json', 'other'];
    const hours = fc.double({ min: -100, max: 100, noNaN: true });
    const files = fc.array(fc.tuple(fc.constantFrom(...names), hours), { minLength: 1 });
    const property = fc.property(hours, files, (takenHoursAgo, drawn) => {
      const left = folder(takenHoursAgo, Object.fromEntries(drawn));
      const times = left.files.map(({ modifiedAt }) => modifiedAt);
      const isYoung = [hoursAgo(takenHoursAgo), ...times].some((time) => time.getTime() > hoursAgo(24).getTime());
      const isForeign = left.files.some(({ name }) => name === 'other');
      // An id tells whole seconds.
      fc.pre(Math.abs(takenHoursAgo - 24) > 1 / 1000);
      expect(reasonToKeep(left, NOW) !== undefined).toBe(isYoung || isForeign);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });
});
