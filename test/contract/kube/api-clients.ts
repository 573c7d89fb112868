import type { ClusterAccess } from '../../../lambdas/kube/cluster-access.ts';
import { KubeApi, type KubeApiOptions } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import type { ApiServer } from '../../testbed/api-server.ts';
import { startApiFront, type ApiFront, type Interference } from './api-front.ts';

export const ADMINISTRATOR = { commonName: 'administrator', organizations: ['system:masters'] };
/** Where their kubeconfigs say that they are from. */
export const SOURCE = 'mgmt-a.kubeconfig';

/** Clients of an API server and what stands before it, which all end after a test. */
export class ApiClients {
  readonly #ends: (() => unknown)[] = [];

  connect(kubeconfig: string, options: KubeApiOptions = {}): KubeApi {
    return this.connectWith(parseKubeconfig(kubeconfig, SOURCE), options);
  }

  connectWith(access: ClusterAccess, options: KubeApiOptions = {}): KubeApi {
    const api = new KubeApi(access, { firstWaitMilliseconds: 10, ...options });
    this.#ends.push(() => {
      api.close();
    });
    return api;
  }

  async startFront(server: ApiServer, interference: Interference = {}): Promise<ApiFront> {
    const front = await startApiFront(server, interference);
    this.#ends.push(front.stop);
    return front;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}
