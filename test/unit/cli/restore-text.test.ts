import { describe, expect, it } from '@jest/globals';
import { describePlan, describeResult } from '../../../bin/output/restore-text.ts';
import type { EtcdMemberVolume } from '../../../lambdas/domain/etcd-installation.ts';
import type { RestoreResult } from '../../../lambdas/domain/restore.ts';
import { installedEtcd, OPERATION } from '../etcd-restore/installed-etcd.ts';
import { plannedRestore, RESTORE } from '../restores/planned-restore.ts';

interface Broken {
  readonly outages?: readonly string[];
  readonly lostIdentity?: readonly string[];
  readonly lostClaim?: EtcdMemberVolume['lostClaim'];
}

function planText({ outages = [], lostIdentity = [], lostClaim = null }: Broken): string[] {
  const installation = installedEtcd(2);
  const members = installation.members.map((member, index) => (index === 0 ? { ...member, lostClaim } : member));
  const plan = plannedRestore({ outages: [...outages] });
  const rebuilt = {
    ...plan,
    target: { ...plan.target, datastores: [{ ...installation, members }] },
    lostIdentity: [...lostIdentity],
  };
  return describePlan(rebuilt, new Date('2026-01-02T04:04:05Z')).split('\n');
}

describe('a plan', () => {
  it('promises a safety recovery point where all members serve, and speaks of nothing that is made', () => {
    const lines = planText({});
    expect(lines).toContainEqual(expect.stringMatching(/^undo: {6}a safety recovery point is taken first/));
    expect(lines.join()).not.toMatch(/out of service|made anew|kept:/);
  });

  it('says what is out of service, and where the data stay if nothing can hold them', () => {
    const lines = planText({ outages: ['etcd-0 has no pod', 'etcd-1 knows no leader'] });
    expect(lines).toContain('  out of service: etcd-0 has no pod');
    expect(lines).toContain('  out of service: etcd-1 knows no leader');
    expect(lines).toContainEqual(expect.stringContaining('only if a member can still give one'));
    const places = `data-etcd-0: /var/lib/lifeboat-${OPERATION}, data-etcd-1: /var/lib/lifeboat-${OPERATION}`;
    expect(lines).toContainEqual(expect.stringContaining(`stays there (${places})`));
  });

  it('names the image that gets to see the data, and who it runs as', () => {
    const textOf = (helperUser: object) =>
      describePlan({ ...plannedRestore(helperUser), helperImage: 'mirror.example/curl@sha256:0' }, new Date(0)).split(
        '\n',
      );
    expect(textOf({ helperUser: 1001 })).toContain(
      'helpers:   image mirror.example/curl@sha256:0, as user 1001 on the volumes of main',
    );
    expect(textOf({ helperUser: 0 })).toContain(
      'helpers:   image mirror.example/curl@sha256:0, as root on the volumes of main',
    );
    expect(textOf({}).join()).toContain("as the image's own user");
  });

  it('says what is made anew, and promises nothing of a volume that is not there', () => {
    const lostClaim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data-etcd-0' } };
    const lostIdentity = ['Secret clusters-prod/root-ca'];
    const lines = planText({ outages: ['etcd-0 has no pod'], lostIdentity, lostClaim });
    expect(lines).toContain(
      'made anew: Secret clusters-prod/root-ca, PersistentVolumeClaim clusters-prod/data-etcd-0 (empty)',
    );
    expect(lines.find((line) => line.startsWith('kept:'))).not.toContain('data-etcd-0');
  });
});

describe('the result of a restore', () => {
  it('says what was left on purpose, and what it warns of', () => {
    const result: RestoreResult = {
      ...RESTORE,
      outcome: 'restored',
      failure: null,
      failureOnTheWayBack: null,
      finishedAt: '2026-01-02T04:05:05.000Z',
      safetyPoint: null,
      safetyVerdict: null,
      apiAwayMilliseconds: null,
      phases: [],
      stale: [],
      warnings: ['datastore main is nearly full'],
      left: ['what lay on data-etcd-0 before is still there'],
      state: [],
    };
    const lines = describeResult(result).split('\n');
    const stuck = describeResult({ ...result, outcome: 'stuck', state: ['StatefulSet etcd: …'] });
    expect(stuck).toMatch(/^StatefulSet etcd: …\nRollback failed: mgmt-a/m);
    expect(lines).toContain('what lay on data-etcd-0 before is still there');
    expect(lines).toContain('warning: datastore main is nearly full');
    expect(lines.join()).not.toContain('to undo it');
  });
});
