import { describe, expect, it } from '@jest/globals';
import { swapPod } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { installedEtcd, memberOf, OPERATION, specOf } from './installed-etcd.ts';

const ZONE = 'topology.kubernetes.io/zone';
const INSTALLATION = installedEtcd(3, {
  pods: { image: 'etcd:3.6.5', spreadOver: [ZONE], nodeSelector: { for: 'control-planes' } },
});
const podFor = (node: string | null) =>
  swapPod(INSTALLATION, { ...memberOf(INSTALLATION), node }, { operation: OPERATION, action: 'swap' });

describe('a helper pod for whose member no node is known', () => {
  it('goes where no other of its datastore is, as the members do, so that a new volume is made there', () => {
    const pod = podFor(null);
    // Of every step: those of a member may be of another one already.
    const labels = Object.entries(pod.metadata.labels ?? {});
    const matchLabels = Object.fromEntries(labels.filter(([name]) => name !== 'lifeboat.io/step'));
    const apart = [{ topologyKey: ZONE, labelSelector: { matchLabels } }];
    expect(pod.metadata.labels).toMatchObject({ 'lifeboat.io/operation': OPERATION, 'lifeboat.io/datastore': 'main' });
    expect(specOf(pod)['affinity']).toMatchObject({
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: apart },
    });
    expect(specOf(pod)['nodeSelector']).toEqual({ for: 'control-planes' });
  });

  it('is left to its volume where the node is known', () => {
    expect(specOf(podFor('node-a'))['affinity']).not.toHaveProperty('podAntiAffinity');
  });
});
