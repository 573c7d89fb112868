import type { PolicyRule } from '../../kube/enrolment-objects.ts';
import { CLUSTER_API_GROUP, CLUSTER_API_RESOURCES } from './cluster-api.ts';

const HYPERSHIFT_GROUP = 'hypershift.openshift.io';

export const BACKUP_PERMISSIONS: readonly PolicyRule[] = [
  { apiGroups: [HYPERSHIFT_GROUP], resources: ['hostedclusters'], verbs: ['get', 'list'] },
  { apiGroups: [HYPERSHIFT_GROUP], resources: ['nodepools'], verbs: ['list'] },
  { apiGroups: [CLUSTER_API_GROUP], resources: Object.values(CLUSTER_API_RESOURCES), verbs: ['list'] },
  // Which kinds these are depends on the provider.
  { apiGroups: ['infrastructure.cluster.x-k8s.io'], resources: ['*'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  // A WebSocket upgrade is a GET; since Kubernetes 1.35 it needs create as well (KEP-4006).
  { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
];

/** What a restore in place needs by itself, its safety snapshot included. */
export const RESTORE_PERMISSIONS: readonly PolicyRule[] = [
  ...BACKUP_PERMISSIONS,
  // Pausing and un-pausing, the mark of the operation, and that of a restored one.
  { apiGroups: [HYPERSHIFT_GROUP], resources: ['hostedclusters'], verbs: ['patch'] },
  // Whether the pause has reached the control-plane-operator.
  { apiGroups: [HYPERSHIFT_GROUP], resources: ['hostedcontrolplanes'], verbs: ['get'] },
  // API servers and etcd to zero and back to the numbers that they had.
  { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: ['get'] },
  { apiGroups: ['apps'], resources: ['deployments/scale', 'statefulsets/scale'], verbs: ['patch'] },
  // Helper pods that prepare and swap the data on etcd's volumes; what they say is in their status.
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'create', 'delete'] },
  // A WebSocket, as for pods/portforward: the snapshot goes to a helper pod's standard input.
  { apiGroups: [''], resources: ['pods/attach'], verbs: ['get', 'create'] },
  // Size of the volumes; those that are gone are made again.
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'create'] },
  // Those of the recovery point that are gone; none that is there is changed.
  { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['create'] },
];
