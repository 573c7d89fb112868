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

const { reconcilers } = hypershift;
const UNTIL = '2026-01-02T03:04:05Z';

describe('a pause', () => {
  it('is set to the second without waiting for anybody', async () => {
    const { api, patches, looks } = copying();
    const hold = reconcilers.holdUntil(new Date('2026-01-02T03:04:05.678Z'));
    await reconcilers.hold(api, CONTROL_PLANE, hold);
    expect(patches).toEqual([{ spec: { pausedUntil: UNTIL } }]);
    expect(looks()).toBe(0);
  });

  it.each([UNTIL, 'true', null])('of before (%s) is put back without waiting for anybody', async (pausedUntil) => {
    const { api, patches, looks } = copying();
    await reconcilers.release(api, CONTROL_PLANE, pausedUntil);
    expect(patches).toEqual([{ spec: { pausedUntil } }]);
    expect(looks()).toBe(0);
  });

  it('is read as the HostedControlPlane has it, and is no pause for nobody where there is none', async () => {
    const { api } = copying(UNTIL, 'true', null, undefined);
    const read = () => reconcilers.read(api, CONTROL_PLANE);
    expect(await read()).toEqual({ text: UNTIL, endsAt: new Date(UNTIL) });
    expect(await read()).toEqual({ text: 'true', endsAt: null });
    expect([await read(), await read()]).toEqual([null, undefined]);
  });
});
