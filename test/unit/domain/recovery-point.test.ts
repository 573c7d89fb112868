import { describe, expect, it } from '@jest/globals';
import {
  addressOfManifestKey,
  isRecoveryPointId,
  manifestKey,
  proofKey,
  recoveryPointId,
  timeOfRecoveryPoint,
  verdict,
  type Proof,
} from '../../../lambdas/domain/recovery-point.ts';

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

  it('differ for two proofs of one kind', () => {
    const first = proofKey(address, proof('structure', 'passed', '2026-01-02T03:04:05.000Z'));
    const second = proofKey(address, proof('structure', 'passed', '2026-01-02T03:04:05.001Z'));
    expect(first).not.toBe(second);
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

  it('follows the newest proof of a kind, in whatever order they are listed', () => {
    const passed = proof('structure', 'passed', '2026-01-02T03:04:05.000Z');
    const refused = proof('structure', 'refused', '2026-01-03T03:04:05.000Z');
    expect(verdict([refused, passed], ['main'])).toBe('refused');
    const again = proof('structure', 'passed', '2026-01-04T03:04:05.000Z');
    expect(verdict([again, refused, passed], ['main'])).toBe('verified');
  });

  it('is not moved by a proof that could not be decided', () => {
    const inconclusive = proof('structure', 'inconclusive', '2026-01-05T03:04:05.000Z');
    expect(verdict([proof('structure', 'passed'), inconclusive], ['main'])).toBe('verified');
    expect(verdict([inconclusive], ['main'])).toBe('stored');
  });
});
