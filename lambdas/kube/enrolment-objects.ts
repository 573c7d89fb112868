import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1Namespace,
  V1PolicyRule,
  V1ServiceAccount,
} from '@kubernetes/client-node';
import type { KubernetesObject, Plain } from '../domain/kubernetes-object.ts';

/** One line of a Role or ClusterRole, on objects of any name. */
export type PolicyRule = Readonly<Required<Pick<V1PolicyRule, 'apiGroups' | 'resources' | 'verbs'>>>;

/** A Role or ClusterRole of ours, by what it is for. */
export interface EnrolmentRole {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
}

/** An account of ours on a management cluster, and all that it may do. */
export interface Enrolment {
  readonly namespace: string;
  /** Name of the ServiceAccount. */
  readonly account: string;
  readonly roles: readonly EnrolmentRole[];
  /** Where it may do that, and nowhere else; everywhere when left out. */
  readonly onlyIn?: readonly string[];
}

/** What every object of an enrolment carries; one of the same name without it is somebody else's. */
export const OUR_LABEL = { 'app.kubernetes.io/managed-by': 'lifeboat' };

const RBAC_API = 'rbac.authorization.k8s.io/v1';
const RBAC_GROUP = 'rbac.authorization.k8s.io';

/**
 * The objects of an enrolment, in the order in which they are made. Names of bindings carry namespace and account: an
 * enrolment from another namespace must not take this one's rights away.
 */
export function enrolmentObjects({ namespace, account, roles, onlyIn }: Enrolment): KubernetesObject[] {
  const labels = OUR_LABEL;
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } } satisfies Plain<V1Namespace>,
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace, labels },
      // It is used from outside; no pod has a use for its token.
      automountServiceAccountToken: false,
    } satisfies Plain<V1ServiceAccount>,
    ...(onlyIn?.flatMap((place) => grants('Role', { namespace, account, roles }, place)) ??
      grants('ClusterRole', { namespace, account, roles })),
  ];
}

/** Roles and their bindings, in a namespace or in all of the cluster. */
function grants(
  kind: 'Role' | 'ClusterRole',
  { namespace, account, roles }: Enrolment,
  place?: string,
): KubernetesObject[] {
  const metadata = { labels: OUR_LABEL, ...(place !== undefined && { namespace: place }) };
  return [
    ...roles.map(
      ({ name, rules }) =>
        ({
          apiVersion: RBAC_API,
          kind,
          metadata: { name, ...metadata },
          rules: [...rules],
        }) satisfies Plain<V1ClusterRole>,
    ),
    ...roles.map(
      ({ name }) =>
        ({
          apiVersion: RBAC_API,
          kind: `${kind}Binding`,
          metadata: { name: `${name}:${namespace}:${account}`, ...metadata },
          roleRef: { apiGroup: RBAC_GROUP, kind, name },
          subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
        }) satisfies Plain<V1ClusterRoleBinding>,
    ),
  ];
}

/** Rules that grant the same, each resource named once: what several platforms ask for is joined. */
export function mergeRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const verbsOf = new Map<string, { group: string; resource: string; verbs: Set<string> }>();
  for (const { group, resource, verb } of permissionsOf(rules)) {
    const key = `${group} ${resource}`;
    const known = verbsOf.get(key) ?? { group, resource, verbs: new Set() };
    known.verbs.add(verb);
    verbsOf.set(key, known);
  }
  const alike = Map.groupBy(verbsOf.values(), ({ group, verbs }) => `${group} ${[...verbs].sort().join(',')}`);
  return [...alike.values()].flatMap((entries) => {
    const [first] = entries;
    if (first === undefined) return [];
    return [
      { apiGroups: [first.group], resources: entries.map(({ resource }) => resource), verbs: [...first.verbs].sort() },
    ];
  });
}

/** One verb on one resource: what RBAC grants or does not. */
export interface Permission {
  readonly group: string;
  /** With its subresource; may be `*`. */
  readonly resource: string;
  readonly verb: string;
}

/** Every single permission that the rules give. */
export function permissionsOf(rules: readonly PolicyRule[]): Permission[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb })))),
  );
}
