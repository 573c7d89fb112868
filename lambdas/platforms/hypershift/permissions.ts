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

/** What a restore in place needs by itself, its safety snapshot included; planned, and not exercised by a restore yet. */
export const RESTORE_PERMISSIONS: readonly PolicyRule[] = [
  ...BACKUP_PERMISSIONS,
  // Pausing and un-pausing, and the annotation `restored-from-backup`.
  { apiGroups: [HYPERSHIFT_GROUP], resources: ['hostedclusters', 'nodepools'], verbs: ['get', 'patch'] },
  // API servers, controllers and the control-plane-operator to zero and back, then etcd; the numbers that they had before.
  { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: ['get', 'list'] },
  { apiGroups: ['apps'], resources: ['deployments/scale', 'statefulsets/scale'], verbs: ['get', 'patch'] },
  // Helper pods that prepare the data on etcd's volumes, what they say, and the restart of whoever kept stale state.
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'create', 'delete'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  // The old volumes are kept for the way back until the new ones serve.
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'list', 'create', 'delete'] },
];
