import { describe, expect, it } from '@jest/globals';
import { warningsOfHelperImage } from '../../../lambdas/datastores/etcd/restore/helper-image.ts';
import {
  helperUser,
  preparationPod,
  swapPod,
  type HelpedMember,
  type PreparationPlan,
} from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { UnsupportedError } from '../../../lambdas/domain/errors.ts';
import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import { commandOf, containersOf, installedEtcd, memberOf, OPERATION, specOf } from './installed-etcd.ts';

const plan: PreparationPlan = {
  operation: OPERATION,
  sizeBytes: 30_000_032,
  sha256: 'a'.repeat(64),
  clusterToken: OPERATION,
  bump: 1_234_567,
  etcdVersion: '3.6.5',
  input: 'file',
};
const DIRECTORY = `/var/lib/lifeboat-${OPERATION}`;
const ACTIONS = ['swap', 'back', 'clear'] as const;

/** One pod of each kind for a member. */
function everyPod(installation: EtcdInstallation, member: HelpedMember = memberOf(installation)) {
  return [
    preparationPod(installation, member, plan),
    ...ACTIONS.map((action) => swapPod(installation, member, { operation: OPERATION, action })),
  ];
}

describe('every helper pod', () => {
  const installation = installedEtcd(3);

  it('is named and labelled after its operation, its work and its member', () => {
    const pods = everyPod(installation, memberOf(installation, 1));
    expect(pods.map(({ metadata }) => metadata.name)).toEqual(
      ['prepare', 'swap', 'back', 'clear'].map((step) => `lifeboat-${OPERATION}-${step}-etcd-1`),
    );
    for (const { metadata } of pods) {
      expect(metadata).toMatchObject({
        namespace: 'clusters-prod',
        labels: { 'app.kubernetes.io/managed-by': 'lifeboat', 'lifeboat.io/operation': OPERATION },
      });
    }
  });

  it('has a name that Kubernetes takes and no other pod has, however long the names are that it is made of', () => {
    const operation = `restore-${'x'.repeat(28)}`;
    const members = ['a', 'b'].map((end) => ({ ...memberOf(installation), pod: `etcd-shard-with-a-long-name-${end}` }));
    const names = members.flatMap((member) =>
      ACTIONS.map((action) => swapPod(installation, member, { operation, action }).metadata.name),
    );
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    expect(new Set(names).size).toBe(names.length);
  });

  it('says what it was made as: the same for the same, whichever pods it is told of, and another for another image', () => {
    const madeAs = (changes: object) =>
      everyPod(installation).map(
        ({ metadata }, index) =>
          (index === 0
            ? preparationPod(installation, memberOf(installation), { ...plan, ...changes })
            : swapPod(installation, memberOf(installation), {
                operation: OPERATION,
                action: ACTIONS[index - 1] ?? 'swap',
                ...changes,
              })
          ).metadata.annotations?.['lifeboat.io/made-as'] ?? metadata.name,
      );
    expect(madeAs({ over: ['uid-1'] })).toEqual(madeAs({}));
    expect(madeAs({ notAfter: new Date() })).toEqual(madeAs({}));
    const others = madeAs({ helperImage: 'mirror.example/curl:1' });
    expect(new Set([...others, ...madeAs({})]).size).toBe(8);
  });

  it('ends by itself, is never started again, and can be waited for until its containers are gone', () => {
    for (const pod of everyPod(installation)) {
      expect(specOf(pod)).toMatchObject({
        restartPolicy: 'Never',
        activeDeadlineSeconds: expect.any(Number),
        terminationGracePeriodSeconds: 1,
      });
    }
  });

  it('has the volume of its member and nothing else, not even an account', () => {
    for (const pod of everyPod(installation, memberOf(installation, 2))) {
      expect(specOf(pod)).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-etcd-2' } }],
      });
      for (const container of containersOf(pod)) {
        expect(container).toMatchObject({
          volumeMounts: [{ name: 'data', mountPath: '/var/lib' }],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          terminationMessagePolicy: 'FallbackToLogsOnError',
        });
      }
    }
  });

  it("takes over what lets the etcd's own pods run", () => {
    const pods = {
      ...installation.pods,
      tolerations: [{ key: 'hypershift.openshift.io/control-plane', operator: 'Exists' }],
      imagePullSecrets: [{ name: 'pull-secret' }],
      priorityClassName: 'hypershift-etcd',
      securityContext: { runAsUser: 1001, fsGroup: 1001, seLinuxOptions: { level: 's0:c26,c5' } },
    };
    for (const pod of everyPod(installedEtcd(1, { pods }))) {
      expect(specOf(pod)).toMatchObject({
        tolerations: pods.tolerations,
        imagePullSecrets: pods.imagePullSecrets,
        priorityClassName: 'hypershift-etcd',
        securityContext: { ...pods.securityContext, seccompProfile: { type: 'RuntimeDefault' } },
      });
    }
  });
});

describe('who a helper pod runs as', () => {
  const usersOf = (pods: Partial<EtcdInstallation['pods']>) => {
    const installation = installedEtcd(1, { pods: { image: 'etcd:3.6.5', ...pods } });
    const [preparation] = everyPod(installation);
    if (preparation === undefined) throw new Error('there is no pod');
    return containersOf(preparation).map(({ name, securityContext }) => [name, securityContext['runAsUser']]);
  };

  it('is left to the pod when it says so, as etcd leaves it', () => {
    expect(usersOf({ securityContext: { runAsUser: 1001 } })).toEqual([
      ['fetch', undefined],
      ['restore', undefined],
      ['finish', undefined],
    ]);
  });

  it("is who etcd's own container runs as, without its other rights", () => {
    const containerSecurityContext = { runAsUser: 1000650000, privileged: true, capabilities: { add: ['SYS_ADMIN'] } };
    expect(usersOf({ containerSecurityContext })).toEqual([
      ['fetch', 1000650000],
      ['restore', 1000650000],
      ['finish', 1000650000],
    ]);
    const installation = installedEtcd(1, { pods: { image: 'etcd:3.6.5', containerSecurityContext } });
    for (const container of everyPod(installation).flatMap(containersOf)) {
      expect(container.securityContext).not.toHaveProperty('privileged');
      expect(container.securityContext['capabilities']).toEqual({ drop: ['ALL'] });
    }
  });

  it('is root in the helper image where nobody says it, as in images of etcd', () => {
    expect(usersOf({})).toEqual([
      ['fetch', 0],
      ['restore', undefined],
      ['finish', 0],
    ]);
  });

  it('is who etcd was seen to run as where nobody says it', () => {
    const pods = { image: 'etcd:3.6.5', seenUser: { uid: 4001, gid: 4002 } };
    const [preparation] = everyPod(installedEtcd(1, { pods }));
    if (preparation === undefined) throw new Error('there is no preparation');
    expect(containersOf(preparation).map(({ name, securityContext }) => [name, securityContext])).toEqual([
      ['fetch', expect.objectContaining({ runAsUser: 4001, runAsGroup: 4002 })],
      ['restore', expect.not.objectContaining({ runAsUser: expect.anything() })],
      ['finish', expect.objectContaining({ runAsUser: 4001, runAsGroup: 4002 })],
    ]);
    expect(helperUser(installedEtcd(1, { pods }))).toBe(4001);
  });

  it('is never root where that is forbidden', () => {
    const users = usersOf({ securityContext: { runAsNonRoot: true } });
    expect(users.map(([, user]) => user)).toEqual([undefined, undefined, undefined]);
  });
});

describe('the helper image', () => {
  it('is warned of while it is named by a tag, and not by its digest', () => {
    for (const image of ['curlimages/curl:8.17.0', 'mirror.example/curl', `curl@sha256:${'a'.repeat(63)}`]) {
      expect(warningsOfHelperImage(image)).toEqual([
        expect.stringContaining(`helper image ${image} is named by a tag`),
      ]);
    }
    expect(warningsOfHelperImage(`mirror.example/curl:8@sha256:${'a'.repeat(64)}`)).toEqual([]);
  });
});

describe('where a helper pod runs', () => {
  const installation = installedEtcd(3);
  const named = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] };
  const [prepare, ...swaps] = everyPod(installation, memberOf(installation, 1));

  it('is the node of its member while etcd runs there with the volume', () => {
    expect(prepare?.['spec']).toMatchObject({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [named] } } },
    });
  });

  it('is preferably that node once etcd is stopped: the volume can follow to another', () => {
    for (const pod of swaps) {
      expect(specOf(pod)['affinity']).toEqual({
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: named }] },
      });
    }
  });

  it('is up to the scheduler for a member without a pod', () => {
    for (const pod of everyPod(installation, { ...memberOf(installation), node: null })) {
      expect(specOf(pod)['affinity']).toEqual({ nodeAffinity: {} });
    }
  });
});

describe('a preparation', () => {
  it('takes the file on the standard input of its first container, once', () => {
    const pod = preparationPod(installedEtcd(1), memberOf(installedEtcd(1)), plan);
    expect(containersOf(pod).map(({ name, image, stdin, stdinOnce }) => ({ name, image, stdin, stdinOnce }))).toEqual([
      { name: 'fetch', image: 'curlimages/curl:8.17.0', stdin: true, stdinOnce: true },
      { name: 'restore', image: 'etcd:3.6.5' },
      { name: 'finish', image: 'curlimages/curl:8.17.0' },
    ]);
    // Twice the snapshot and 256 MiB, in KiB.
    expect(commandOf(pod, 'fetch').slice(3)).toEqual([
      'fetch',
      DIRECTORY,
      '/var/lib/data',
      'member',
      '30000032',
      plan.sha256,
      '320738',
      'file',
    ]);
  });

  it('takes the helper image that is configured', () => {
    const installation = installedEtcd(1);
    const helperImage = 'mirror.example/busybox:1';
    const pods = [
      preparationPod(installation, memberOf(installation), { ...plan, helperImage }),
      swapPod(installation, memberOf(installation), { operation: OPERATION, action: 'swap', helperImage }),
    ];
    expect(pods.flatMap(containersOf).map(({ image }) => image)).toEqual([
      helperImage,
      'etcd:3.6.5',
      helperImage,
      helperImage,
    ]);
  });

  it("restores as the member itself, among all, with the platform's own program", () => {
    const installation = installedEtcd(3);
    expect(commandOf(preparationPod(installation, memberOf(installation, 1), plan), 'restore')).toEqual([
      'etcdutl',
      'snapshot',
      'restore',
      `${DIRECTORY}/snapshot.db`,
      `--data-dir=${DIRECTORY}/restored`,
      '--name=etcd-1',
      `--initial-cluster=${installation.members.map(({ pod, peerUrl }) => `${pod}=${peerUrl}`).join(',')}`,
      `--initial-cluster-token=${OPERATION}`,
      '--initial-advertise-peer-urls=https://etcd-1.etcd-discovery.clusters-prod.svc:2380',
      '--bump-revision=1234567',
      '--mark-compacted',
    ]);
  });

  const programOf = (etcdVersion: string) => {
    const installation = installedEtcd(1);
    return commandOf(preparationPod(installation, memberOf(installation), { ...plan, etcdVersion }), 'restore')[0];
  };

  it.each([
    ['3.4.27', 'etcdctl'],
    ['3.5.10', 'etcdctl'],
    ['3.5.21', 'etcdctl'],
    ['3.6.0-rc.1', 'etcdutl'],
    ['3.7.1', 'etcdutl'],
    ['4.0.0', 'etcdutl'],
  ])('of etcd %s is done by %s', (version, program) => {
    expect(programOf(version)).toBe(program);
  });

  it.each(['3.4.26', 'v3.5.9', '3.3.27', '', 'latest'])(
    'of etcd "%s", which can not raise revisions, is refused',
    (version) => {
      expect(() => programOf(version)).toThrow(UnsupportedError);
    },
  );
});
