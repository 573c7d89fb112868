import type { ControlPlaneName } from '../domain/control-plane.ts';
import type { Workload } from '../domain/restore-target.ts';
import type { Secret } from '../domain/secret.ts';
import type { KubeApi } from '../kube/kube-api.ts';

/** The API server of a control plane, as it is reached through one of its pods. */
export interface HostedApi {
  readonly namespace: string;
  /** Those that are ready; none while the API is away. */
  readonly pods: readonly string[];
  readonly port: number;
  /** Of its administrator. */
  readonly kubeconfig: Secret;
}

/**
 * The servers that write to a control plane's datastores, and how its platform stops and starts them: not every platform lets its
 * Deployment be scaled. Errors of every method: those of {@link KubeApi}, and as each says.
 */
export interface ApiServers {
  /** Gives what it waits for; undefined when no pod of the server is left. To be repeated until then. GateError when it is gone. */
  stop(api: KubeApi, name: ControlPlaneName, server: Workload): Promise<string | undefined>;
  /** Gives what it waits for; undefined when the server has its replicas and all are ready. GateError when it is gone. */
  start(api: KubeApi, name: ControlPlaneName, server: Workload): Promise<string | undefined>;
  /** NotFoundError while the control plane has no administrator's kubeconfig yet. */
  reach(api: KubeApi, name: ControlPlaneName): Promise<HostedApi>;
}
