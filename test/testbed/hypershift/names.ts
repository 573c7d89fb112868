/** Finalizer of HostedCluster, HostedControlPlane and NodePool alike. */
export const FINALIZER = 'hypershift.openshift.io/finalizer';
/** On the HostedControlPlane and on everything that belongs to a NodePool: `<namespace>/<name>`. */
export const HOSTED_CLUSTER_ANNOTATION = 'hypershift.openshift.io/cluster';
export const NODE_POOL_ANNOTATION = 'hypershift.openshift.io/nodePool';
/** Where the operator itself lives, and with it the twin's record of cloud instances. */
export const OPERATOR_NAMESPACE = 'hypershift';

/** The namespace that a HostedCluster's control plane runs in. */
export function controlPlaneNamespace(namespace: string, name: string): string {
  return `${namespace}-${name.replaceAll('.', '-')}`;
}
