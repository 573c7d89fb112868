import { describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { CONTROL_PLANE, hostedCluster, inNamespace } from './served-objects.ts';

/** An API whose HostedControlPlane has these pauses, one after the other; undefined: it does not exist. */
function copying(...pauses: readonly (string | null | undefined)[]) {
  const patches: object[] = [];
  const left = [...pauses];
  let looks = 0;
  const api: Pick<KubeApi, 'get' | 'merge'> = {
    get: () => {
      looks += 1;
      const pause = left.shift();
      return Promise.resolve(pause === undefined ? undefined : hostedControlPlane(pause));
    },
    merge: (_, patch) => {
      patches.push(patch);
      return Promise.resolve(hostedCluster());
    },
  };
  return { api: api as KubeApi, patches, looks: () => looks };
}

function hostedControlPlane(pausedUntil: string | null): KubernetesObject {
  const spec = pausedUntil === null ? {} : { pausedUntil };
  return inNamespace('hypershift.openshift.io/v1beta1', 'HostedControlPlane', { name: 'prod' }, { spec });
}

const UNTIL = '2026-01-02T03:04:05Z';

describe('a pause', () => {
  it('stands only when the HostedControlPlane has the very same', async () => {
    const { api, patches, looks } = copying(null, '2026-01-01T00:00:00Z', UNTIL);
    await hypershift.setPause(api, CONTROL_PLANE, UNTIL);
    expect(patches).toEqual([{ spec: { pausedUntil: UNTIL } }]);
    expect(looks()).toBe(3);
  });

  it('stands where there is no HostedControlPlane', async () => {
    const { api, looks } = copying(undefined);
    await hypershift.setPause(api, CONTROL_PLANE, 'true');
    expect(looks()).toBe(1);
  });

  it('is taken away without waiting for anybody', async () => {
    const { api, patches, looks } = copying();
    await hypershift.setPause(api, CONTROL_PLANE, null);
    expect(patches).toEqual([{ spec: { pausedUntil: null } }]);
    expect(looks()).toBe(0);
  });

  it('is read as the HostedControlPlane has it', async () => {
    const { api } = copying(UNTIL, null, undefined);
    const read = () => hypershift.readPause(api, CONTROL_PLANE);
    expect([await read(), await read(), await read()]).toEqual([UNTIL, null, null]);
  });
});
