import { describe, expect, it } from '@jest/globals';
import { NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { apiServing, CONTROL_PLANE, hostedCluster, inNamespace, NAMESPACE } from './served-objects.ts';

const kubeconfigIn = (name: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'clusters', name },
  data: { kubeconfig: Buffer.from('apiVersion: v1').toString('base64') },
});

interface PodOptions {
  readonly ready?: 'True' | 'False';
  readonly port?: number;
  readonly deletionTimestamp?: string;
}

function apiServerPod(name: string, { ready = 'True', port = 6443, ...metadata }: PodOptions = {}): KubernetesObject {
  return inNamespace(
    'v1',
    'Pod',
    { name, labels: { app: 'kube-apiserver' }, ...metadata },
    {
      spec: {
        containers: [
          { name: 'konnectivity-server', ports: [{ name: 'client', containerPort: 8090 }] },
          { name: 'kube-apiserver', ports: [{ name: 'client', containerPort: port }] },
        ],
      },
      status: { conditions: [{ type: 'Ready', status: ready }] },
    },
  );
}

const hostedApi = (...objects: readonly KubernetesObject[]) =>
  hypershift.apiServers.reach(apiServing([hostedCluster(), ...objects]), CONTROL_PLANE);

describe('the API server of a control plane', () => {
  it('is reached through its pods that are ready and stay', async () => {
    const api = await hostedApi(
      kubeconfigIn('prod-admin-kubeconfig'),
      apiServerPod('kube-apiserver-a'),
      apiServerPod('kube-apiserver-b', { ready: 'False' }),
      apiServerPod('kube-apiserver-c', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      inNamespace('v1', 'Pod', { name: 'etcd-0', labels: { app: 'etcd' } }),
    );
    expect(api).toMatchObject({ namespace: NAMESPACE, pods: ['kube-apiserver-a'], port: 6443 });
    expect(api.kubeconfig.reveal()).toBe('apiVersion: v1');
  });

  it('listens where its container says', async () => {
    const api = await hostedApi(
      kubeconfigIn('prod-admin-kubeconfig'),
      apiServerPod('kube-apiserver-a', { port: 7443 }),
    );
    expect(api.port).toBe(7443);
  });

  it('has no pods while it is away', async () => {
    expect(await hostedApi(kubeconfigIn('prod-admin-kubeconfig'))).toMatchObject({ pods: [], port: 6443 });
  });

  it('is entered with the kubeconfig that the HostedCluster names', async () => {
    const named = { ...hostedCluster(), status: { kubeconfig: { name: 'another' } } };
    const api = apiServing([named, kubeconfigIn('another')]);
    expect((await hypershift.apiServers.reach(api, CONTROL_PLANE)).kubeconfig.reveal()).toBe('apiVersion: v1');
  });

  it('is not found before there is a kubeconfig, and the Secret is named', async () => {
    await expect(hostedApi()).rejects.toThrow(NotFoundError);
    await expect(hostedApi()).rejects.toThrow(/Secret clusters\/prod-admin-kubeconfig \(kubeconfig\)/);
  });
});
