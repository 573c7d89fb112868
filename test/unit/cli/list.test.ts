import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { list } from '../../../bin/commands/list.ts';
import { chosenPoint } from '../../../bin/commands/point-choice.ts';
import { show } from '../../../bin/commands/show.ts';
import { ConfigurationError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import { recoveryPointPrefix } from '../../../lambdas/domain/recovery-point.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { addressOf, storePoint } from '../../contract/stored-points.ts';

const PROD = 'mgmt-a/clusters/prod';
const SCHEDULED = '20260101T030405Z-a1b2';
const SAFETY = '20260102T030405Z-c3d4';
const FUTURE = '20990102T030405Z-9999';
const NOW = new Date('2026-01-03T03:04:05Z');

let directory: string;
let store: DirectoryStore;
let ports: Parameters<typeof list>[0] & Parameters<typeof show>[0];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-list-'));
  store = new DirectoryStore(directory);
  const catalogue = new Catalogue(store);
  const findPoint = (id: string) => catalogue.find(id);
  ports = { store, catalogue, clock: () => NOW, managementClusters: ['mgmt-a'], findPoint };
});
afterEach(() => rm(directory, { recursive: true }));

describe('lifeboat list', () => {
  it('shows when each point was taken as --at takes it, what it is for, and whether it is pinned, in 80 columns', async () => {
    await storePoint(store, SCHEDULED);
    await storePoint(store, SAFETY, { manifest: { reason: 'safety', policy: null } });
    await ports.catalogue.pin(addressOf(SCHEDULED), true);
    const { text, json } = await list(ports, undefined);
    expect(text.split('\n')).toEqual([
      PROD,
      'ID                     TAKEN                 AGE   STATE     REASON',
      `${SAFETY}  2026-01-02T03:04:05Z  24 h  verified  safety`,
      `${SCHEDULED}  2026-01-01T03:04:05Z  2 d   verified  scheduled, pinned`,
    ]);
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(json).toMatchObject({ recoveryPoints: [{ pinned: false }, { pinned: true }] });
    const at = text.split('\n').at(-1)?.split(/ {2,}/)[1];
    expect(chosenPoint({ latestVerified: false, at: at ?? '' })).toBe('2026-01-01T03:04:05Z');
  });

  it('marks a point from the future, and so does show', async () => {
    await storePoint(store, FUTURE);
    const { text, json } = await list(ports, PROD);
    expect(text).toMatch(new RegExp(`${FUTURE} +2099-01-02T03:04:05Z +future `));
    expect(json).toMatchObject({ recoveryPoints: [{ isFromFuture: true }] });
    const shown = await show(ports, FUTURE);
    expect(shown.text).toContain('2099-01-02T03:04:05.000Z (a time in the future');
    expect(shown.json).toMatchObject({ isFromFuture: true });
  });

  it('gives each control plane a table of its own', async () => {
    await storePoint(store, SCHEDULED);
    const edge = {
      ...addressOf(SAFETY),
      controlPlane: { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'edge' },
    };
    const { manifest } = await ports.catalogue.find(SCHEDULED);
    await ports.catalogue.commit(edge, { ...manifest, id: SAFETY, controlPlane: 'mgmt-a/clusters/edge' });
    const { text } = await list(ports, undefined);
    expect(text.split('\n\n').map((table) => table.split('\n')[0])).toEqual(['mgmt-a/clusters/edge', PROD]);
  });

  it('still lists a point that cannot be read', async () => {
    await storePoint(store, SCHEDULED);
    await store.put(`${recoveryPointPrefix(addressOf(SAFETY))}manifest.json`, Buffer.from('{}'));
    expect((await list(ports, PROD)).text).toMatch(new RegExp(`${SAFETY} +- +- +unreadable +-`));
  });

  it('asks whether the name is right where a control plane has no points', async () => {
    await storePoint(store, SCHEDULED);
    const { text, json } = await list(ports, 'mgmt-a/clusters/prud');
    expect(text).toContain('no recovery points of mgmt-a/clusters/prud in ');
    expect(text).toContain('is the name right? "lifeboat discover"');
    expect(json).toEqual({ recoveryPoints: [] });
  });

  it('refuses a name of which neither the configuration nor the store knows the management cluster', async () => {
    const listing = list(ports, 'mgmt-z/clusters/prod');
    await expect(listing).rejects.toBeInstanceOf(NotFoundError);
    await expect(listing).rejects.toThrow('there is no control plane of the name mgmt-z/clusters/prod');
  });
});

describe('lifeboat show', () => {
  it('says of a point of before identities were read back that its was not, and how to', async () => {
    await storePoint(store, SCHEDULED);
    const { text } = await show(ports, SCHEDULED);
    expect(text).toContain('never read back yet:');
    expect(text).toContain(`"lifeboat verify ${SCHEDULED}"`);
  });
});

describe('the recovery point that is asked for', () => {
  it.each([
    [{ point: '2026-01-02T03:04:05Z', latestVerified: false }, 'is not the id of a recovery point'],
    [{ at: SCHEDULED, latestVerified: false }, 'is not a time'],
    [{ at: '2026-01-02', latestVerified: false }, 'is not a time'],
    [{ at: 'latest-verified', latestVerified: false }, 'is not a time'],
    [{ at: '2026-01-02T03:04:05Z', latestVerified: true }, 'only once'],
    [{ latestVerified: false }, 'it must be said'],
  ])('is refused as %j', (choice, message) => {
    expect(() => chosenPoint(choice)).toThrow(ConfigurationError);
    expect(() => chosenPoint(choice)).toThrow(message);
  });
});
