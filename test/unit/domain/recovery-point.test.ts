import { describe, expect, it } from '@jest/globals';
import {
  addressOfManifestKey,
  isRecoveryPointId,
  manifestKey,
  proofKey,
  recoveryPointId,
  timeOfRecoveryPoint,
  type Proof,
} from '../../../lambdas/domain/recovery-point.ts';
import { inStoreOrder, isFromFuture, verdict } from '../../../lambdas/domain/verdict.ts';

const address = {
  platform: 'hypershift' as const,
  controlPlane: { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' },
  id: '20260102T030405Z-a1b2',
};

function proof(kind: Proof['kind'], result: Proof['result'], takenAt = '2026-01-02T03:04:05.000Z'): Proof {
  return { kind, result, takenAt, datastore: 'main', detail: 'as found' };
}

describe('the id of a recovery point', () => {
  it('sorts by time, whatever the random part', () => {
    const earlier = recoveryPointId(new Date('2026-01-02T03:04:05.999Z'), () => 0.999);
    const later = recoveryPointId(new Date('2026-01-02T03:04:06.000Z'), () => 0);
    expect(earlier).toBe('20260102T030405Z-zzzz');
    expect(later).toBe('20260102T030406Z-0000');
    expect(earlier < later).toBe(true);
    expect(timeOfRecoveryPoint(later)).toEqual(new Date('2026-01-02T03:04:06.000Z'));
  });

  it('is recognised by its form alone', () => {
    expect(isRecoveryPointId('20260102T030405Z-a1b2')).toBe(true);
    for (const other of ['', 'latest', '20260102T030405Z', '20260102T030405Z-A1B2', '../20260102T030405Z-a1b2']) {
      expect(isRecoveryPointId(other)).toBe(false);
    }
  });
});

describe('the keys of a recovery point', () => {
  it('lead from the manifest back to the address', () => {
    expect(manifestKey(address)).toBe(
      'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2/manifest.json',
    );
    expect(addressOfManifestKey(manifestKey(address))).toEqual(address);
  });

  it.each([
    'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2/identity.json.zst',
    'recovery-points/hypershift/mgmt-a/clusters/prod/notes/manifest.json',
    'recovery-points/other/mgmt-a/clusters/prod/20260102T030405Z-a1b2/manifest.json',
    'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2/proofs/manifest.json',
    'recovery-points/hypershift/Mgmt A/clusters/prod/20260102T030405Z-a1b2/manifest.json',
    'recovery-points/hypershift/mgmt-a/../prod/20260102T030405Z-a1b2/manifest.json',
    'operations/1/manifest.json',
  ])('of other things are no manifest: %s', (key) => {
    expect(addressOfManifestKey(key)).toBeUndefined();
  });

  it('differ for two proofs of one kind and millisecond', () => {
    const of = (nonce: string) => proofKey(address, proof('structure', 'passed'), nonce);
    expect(of('a')).not.toBe(of('b'));
  });
});

describe('the verdict on a recovery point', () => {
  it('is verified only when every datastore has passed the walk', () => {
    expect(verdict([proof('stream', 'passed')], ['main'])).toBe('stored');
    expect(verdict([proof('stream', 'passed'), proof('structure', 'passed')], ['main'])).toBe('verified');
    expect(verdict([proof('structure', 'passed')], ['main', 'events'])).toBe('stored');
  });

  it('is refused by one refusal, whatever else has passed', () => {
    expect(verdict([proof('structure', 'passed'), proof('live', 'refused')], ['main'])).toBe('refused');
  });

  it('is refused from a refusal until a later pass of the same kind and datastore, whatever times their writers gave them', () => {
    const ahead = proof('structure', 'passed', '2026-01-03T03:00:00.000Z');
    const refused = proof('structure', 'refused', '2026-01-02T12:00:00.000Z');
    expect(verdict([ahead, refused], ['main'])).toBe('refused');
    expect(verdict([ahead, refused, proof('live', 'passed')], ['main'])).toBe('refused');
    expect(verdict([ahead, refused, { ...ahead, datastore: 'events' }], ['main'])).toBe('refused');
    const behind = proof('structure', 'passed', '2026-01-01T00:00:00.000Z');
    expect(verdict([ahead, refused, behind], ['main'])).toBe('verified');
  });

  it('is not moved by a proof that could not be decided', () => {
    const inconclusive = proof('structure', 'inconclusive', '2026-01-05T03:04:05.000Z');
    expect(verdict([proof('structure', 'passed'), inconclusive], ['main'])).toBe('verified');
    expect(verdict([inconclusive], ['main'])).toBe('stored');
  });
});

describe('the order of proofs', () => {
  const NOON = new Date('2026-01-02T12:00:00.000Z');
  const LATER = new Date('2026-01-02T12:00:01.000Z');
  const passed = proof('structure', 'passed');
  const refused = proof('structure', 'refused');

  it('is that in which the store got them, after those of the manifest', () => {
    const ofManifest = [proof('stream', 'passed', '2027-01-01T00:00:00.000Z')];
    const appended = [
      { proof: passed, storedAt: LATER },
      { proof: refused, storedAt: NOON },
    ];
    expect(inStoreOrder(ofManifest, appended)).toEqual([...ofManifest, refused, passed]);
  });

  it.each([
    [passed, refused],
    [refused, passed],
  ])('puts a refusal last where the store cannot tell which came first', (...proofs) => {
    const appended = proofs.map((one) => ({ proof: one, storedAt: NOON }));
    expect(verdict(inStoreOrder([], appended), ['main'])).toBe('refused');
  });
});

describe('a recovery point', () => {
  const point = { id: address.id, takenAt: '2026-01-02T03:04:05.000Z' };
  const at = (time: string) => new Date(`2026-01-02T${time}Z`);

  it.each([
    ['by our clock', at('03:05:00'), at('02:49:04'), true],
    ['by the clock of the store that got it, even when its time has come', at('02:49:04'), at('23:00:00'), true],
    ['not by clocks that differ a little', at('02:49:06'), at('02:49:06'), false],
  ])('is from the future %s', (_, storedAt, now, expected) => {
    expect(isFromFuture(point, storedAt, now)).toBe(expected);
  });

  it('is from the future by its id alone', () => {
    const future = { id: '20990102T030405Z-a1b2', takenAt: point.takenAt };
    expect(isFromFuture(future, at('03:05:00'), at('04:00:00'))).toBe(true);
  });
});
