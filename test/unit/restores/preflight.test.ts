import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EtcdStatus } from '../../../lambdas/datastores/etcd/wire/messages.ts';
import {
  ConfigurationError,
  CorruptSnapshotError,
  NotFoundError,
  RestoreRefusedError,
} from '../../../lambdas/domain/errors.ts';
import type { Progress } from '../../../lambdas/domain/progress.ts';
import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import type { EtcdEntry, Manifest, Proof } from '../../../lambdas/domain/recovery-point.ts';
import type { RestoreTarget } from '../../../lambdas/domain/restore-target.ts';
import { choosePoint } from '../../../lambdas/restores/choose-point.ts';
import { refuseUnfitPoint, warningsOf } from '../../../lambdas/restores/preflight.ts';
import {
  refuseCorruptAlarm,
  refuseUnfitTarget,
  warningsOfDatastore,
} from '../../../lambdas/restores/strategies/swap-volumes/unfit.ts';
import { Catalogue, type CataloguedPoint } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { installedEtcd } from '../etcd-restore/installed-etcd.ts';
import { CONTROL_PLANE, storePoint } from '../../contract/stored-points.ts';

const FIRST = '20260102T030405Z-a1b2';
const SECOND = '20260103T030405Z-c3d4';
const SAFETY = '20260104T030405Z-e5f6';
const MEBIBYTE = 1024 * 1024;

let directory: string;
let store: DirectoryStore;
let catalogue: Catalogue;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-preflight-'));
  store = new DirectoryStore(directory);
  catalogue = new Catalogue(store);
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function pointWith(manifest: Partial<Manifest> = {}): Promise<CataloguedPoint> {
  await storePoint(store, FIRST, { manifest });
  return await catalogue.find(FIRST);
}

function entryOf({ manifest }: CataloguedPoint): EtcdEntry {
  const [entry] = manifest.datastores;
  if (entry === undefined) throw new Error('no datastore');
  return entry;
}

const ROOMY = installedEtcd(2);
const INSTALLATION: EtcdInstallation = {
  ...ROOMY,
  members: ROOMY.members.map((member, index) => (index === 0 ? member : { ...member, capacityBytes: 600 * MEBIBYTE })),
};
const TARGET: RestoreTarget = {
  uid: 'uid',
  version: '4.20.1',
  datastores: [INSTALLATION],
  writers: [],
  lacking: [],
  pausedUntil: null,
  warnings: [],
};
const LIVE = { version: '3.6.5', sizeBytes: 0 } as EtcdStatus;

let notes: Progress[];
async function choose(wanted: string, now = new Date()): Promise<string> {
  notes = [];
  const ports = { catalogue, clock: () => now, report: (note: Progress) => notes.push(note) };
  return (await choosePoint(CONTROL_PLANE, wanted, ports)).address.id;
}

describe('the recovery point of a restore', () => {
  beforeEach(async () => {
    await storePoint(store, FIRST);
    await storePoint(store, SECOND);
    await storePoint(store, SAFETY, { manifest: { reason: 'safety' } });
  });

  it.each([
    [SAFETY, SAFETY],
    ['latest-verified', SECOND],
    ['2026-01-03T03:04:05Z', SECOND],
    ['2026-01-03T03:04:04Z', FIRST],
    ['2026-02-01T00:00:00Z', SECOND],
  ])('asked for as %s is %s: one that a restore put aside only by its id', async (wanted, id) => {
    expect(await choose(wanted)).toBe(id);
  });

  it.each([
    ['2026-01-01T00:00:00Z', NotFoundError, /no verified recovery point from before/],
    ['20260102T030405Z-zzzz', NotFoundError, /no recovery point 20260102T030405Z-zzzz/],
    ['yesterday', ConfigurationError, /"yesterday" names no recovery point/],
    ['2026-01-03', ConfigurationError, /"2026-01-03" is not a time with date, seconds and zone/],
    ['2026-01-03T03:04:05', ConfigurationError, /is not a time with date, seconds and zone/],
    ['2099-01-01T00:00:00Z', ConfigurationError, /2099-01-01T00:00:00Z is in the future/],
  ] as const)('is not found for %s', async (wanted, error, message) => {
    const choosing = choose(wanted);
    await expect(choosing).rejects.toBeInstanceOf(error);
    await expect(choosing).rejects.toThrow(message);
  });
});

describe('a recovery point from the future', () => {
  const FUTURE = '20990102T030405Z-9999';

  it('is never the latest, which is said, and is had by its id', async () => {
    await storePoint(store, FIRST);
    await storePoint(store, FUTURE);
    expect(await choose('latest-verified')).toBe(FIRST);
    expect(notes).toEqual([{ kind: 'note', text: expect.stringContaining(`${FUTURE} is passed over`) as unknown }]);
    expect(await choose(FUTURE)).toBe(FUTURE);
  });

  it('is one for ever: that its time comes makes its clock no better', async () => {
    await storePoint(store, FIRST);
    await storePoint(store, FUTURE);
    expect(await choose('latest-verified', new Date('2099-06-01T00:00:00Z'))).toBe(FIRST);
    expect(await choose('2099-05-01T00:00:00Z', new Date('2099-06-01T00:00:00Z'))).toBe(FIRST);
  });

  it('gives no latest where there is none else', async () => {
    await storePoint(store, FUTURE);
    await expect(choose('latest-verified')).rejects.toBeInstanceOf(NotFoundError);
    expect(notes).toHaveLength(1);
  });
});

describe('a recovery point', () => {
  it('of this control plane and version is let in', async () => {
    const point = await pointWith();
    expect(() => {
      refuseUnfitPoint(point, TARGET, false);
    }).not.toThrow();
  });

  it('of a control plane that was made again is let in only when that is said', async () => {
    const point = await pointWith({ controlPlaneUid: 'of-before' });
    expect(() => {
      refuseUnfitPoint(point, TARGET, false);
    }).toThrow(RestoreRefusedError);
    expect(() => {
      refuseUnfitPoint(point, TARGET, false);
    }).toThrow(/its uid was of-before, and now it is uid/);
    expect(() => {
      refuseUnfitPoint(point, TARGET, true);
    }).not.toThrow();
  });

  it.each([
    ['4.21.0', false],
    ['v4.21.0', false],
    ['4.21.0-rc.1', false],
    ['5.0.0', false],
    ['v4.20.9', true],
    ['latest', true],
    ['4.20.9', true],
    ['4.19.30', true],
    [null, true],
  ])('of version %s is let in where 4.20.1 runs: %s', async (controlPlaneVersion, isLetIn) => {
    const point = await pointWith({ controlPlaneVersion });
    const check = expect(() => {
      refuseUnfitPoint(point, TARGET, false);
    });
    if (isLetIn) check.not.toThrow();
    else check.toThrow(/might not understand newer data/);
  });

  it.each([
    ['v4.20.1', /^the recovery point is of version v4\.20\.1, the control plane runs 4\.20\.1$/],
    ['latest', /is of version latest, .* which of them is newer can not be told/],
  ])('of version %s is let in with a warning', async (controlPlaneVersion, warning) => {
    const point = await pointWith({ controlPlaneVersion });
    expect(warningsOf(point, TARGET, [])).toEqual([expect.stringMatching(warning)]);
  });

  it('of which a proof was refused is not let in', async () => {
    const refused: Proof = {
      kind: 'structure',
      result: 'refused',
      takenAt: '2026-01-02T04:00:00.000Z',
      datastore: 'main',
      detail: 'a page is wrong',
    };
    const point = await pointWith();
    await catalogue.append(point.address, refused);
    const read = await catalogue.find(FIRST);
    expect(() => {
      refuseUnfitPoint(read, TARGET, true);
    }).toThrow(CorruptSnapshotError);
  });
});

describe('the datastore of a restore', () => {
  it.each([
    ['3.5.21', /has the form of etcd 3\.6\.0, and etcd 3\.5\.21 runs/],
    ['3.4.30', /and etcd 3\.4\.30 runs/],
    ['v3.5.21', /and etcd v3\.5\.21 runs/],
    ['3.6.x', /which of its programs restores can't be told/],
  ])('of etcd %s takes no data of a newer one', async (version, message) => {
    const point = await pointWith();
    const entry = entryOf(point);
    expect(() => {
      refuseUnfitTarget(point, entry, INSTALLATION, { ...LIVE, version });
    }).toThrow(message);
  });

  it('that had raised the CORRUPT alarm is refused: etcd would serve nobody', async () => {
    const point = await pointWith();
    expect(() => {
      refuseCorruptAlarm(point, entryOf(point), ['CORRUPT']);
    }).toThrow(RestoreRefusedError);
    expect(() => {
      refuseCorruptAlarm(point, entryOf(point), ['NOSPACE']);
    }).not.toThrow();
  });

  const full = { alarms: [{ memberId: '1', alarm: 'NOSPACE' as const }] };
  it.each([
    ['without alarms, for nothing', { alarms: [] }, [], []],
    ['for the alarm of the live etcd', full, [], [/^the live datastore main has raised the NOSPACE alarm/]],
    [
      'for the alarm in the snapshot',
      { alarms: [] },
      ['NOSPACE'],
      [/^datastore main had raised the NOSPACE alarm when/],
    ],
    [
      'for a version that can not be read',
      { alarms: [], version: '3.x' },
      [],
      [/form of etcd 3\.6\.0, and etcd 3\.x runs/],
    ],
  ] as const)('is warned of: %s', async (_, live, alarms, warnings) => {
    const entry = entryOf(await pointWith());
    const expected = warnings.map((warning): unknown => expect.stringMatching(warning));
    expect(warningsOfDatastore(entry, { ...LIVE, ...live }, alarms)).toEqual(expected);
  });

  it.each([
    [50, 20, true],
    [350, 20, false],
    [50, 200, false],
  ])(
    'with %i MiB live takes a snapshot of %i MiB on its smallest volume: %s',
    async (liveMebibytes, mebibytes, fits) => {
      const point = await pointWith();
      const entry = entryOf(point);
      const check = expect(() => {
        const snapshot = { ...entry, sizeBytes: mebibytes * MEBIBYTE };
        refuseUnfitTarget(point, snapshot, INSTALLATION, { ...LIVE, sizeBytes: liveMebibytes * MEBIBYTE });
      });
      if (fits) check.not.toThrow();
      else check.toThrow(/the volume of data-etcd-1 holds 600.0 MiB/);
    },
  );
});
