import type { Permission } from '../../lambdas/kube/enrolment-objects.ts';
import { plantSecrets } from '../suite/planted-secrets.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { waitFor } from '../testbed/waiting.ts';
import { varyKubeconfig } from './kubeconfig-variants.ts';

/** A ServiceAccount of a management cluster whose permissions a test decides. */
export class ServiceAccount {
  readonly #cluster: ManagementCluster;
  readonly #namespace: string;
  readonly #name: string;
  /** Of its ClusterRole and its binding: not that of an enrolment, which may have an account of the same name. */
  readonly #role: string;

  private constructor(cluster: ManagementCluster, namespace: string, name: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#name = name;
    this.#role = `${namespace}-${name}`;
  }

  /** Creates it without any permission, in a namespace that exists. */
  static async create(cluster: ManagementCluster, namespace: string, name: string): Promise<ServiceAccount> {
    const account = new ServiceAccount(cluster, namespace, name);
    const subject = { kind: 'ServiceAccount', name, namespace };
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: account.#role };
    await account.#apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
    await account.#apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: account.#role },
      subjects: [subject],
      roleRef,
    });
    return account;
  }

  /** A kubeconfig that authenticates with a token of it. */
  async kubeconfig(): Promise<string> {
    const token = await this.#cluster.kubectl(['create', 'token', this.#name, '--namespace', this.#namespace]);
    await plantSecrets([token.trim()]);
    return varyKubeconfig(this.#cluster.kubeconfig, { user: { token: token.trim() } });
  }

  /** Gives it exactly these permissions and waits until the API server goes by them. */
  async grant(permissions: readonly Permission[], withheld: readonly Permission[] = []): Promise<void> {
    await this.#apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: this.#role },
      rules: permissions.map(({ group, resource, verb }) => ({
        apiGroups: [group],
        resources: [resource],
        verbs: [verb],
      })),
    });
    await waitFor(
      'the API server to go by the new role',
      async () =>
        (await this.#allowed([...permissions, ...withheld])).every((is, index) => is === index < permissions.length),
      { timeoutSeconds: 30, intervalMilliseconds: 100 },
    );
  }

  async remove(): Promise<void> {
    await this.#cluster.kubectl(['delete', 'clusterrole,clusterrolebinding', this.#role]);
    await this.#cluster.kubectl(['delete', 'serviceaccount', this.#name, '--namespace', this.#namespace]);
  }

  /** What the API server says to each. */
  async #allowed(permissions: readonly Permission[]): Promise<boolean[]> {
    const items = permissions.map(({ group, resource: whole, verb }) => {
      const [resource, subresource] = whole.split('/');
      return {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: `system:serviceaccount:${this.#namespace}:${this.#name}`,
          resourceAttributes: { group, resource, subresource, verb, namespace: 'default' },
        },
      };
    });
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const output = '--output=jsonpath={.status.allowed}{"\\n"}';
    const answer = await this.#cluster.kubectl(['create', '--filename', '-', output], { input });
    return answer
      .trim()
      .split('\n')
      .map((allowed) => allowed === 'true');
  }

  async #apply(object: object): Promise<void> {
    await this.#cluster.kubectl(['apply', '--filename', '-'], { input: JSON.stringify(object) });
  }
}
