import type { Platform } from '../platform.ts';
import { CLUSTER_API_GROUP, CLUSTER_API_RESOURCES } from './cluster-api.ts';
import { describeEtcds } from './etcd.ts';
import {
  completedVersion,
  controlPlaneNamespace,
  getHostedCluster,
  HYPERSHIFT_API,
  parseHostedCluster,
  stateOf,
} from './hosted-cluster.ts';
import { captureIdentity } from './identity.ts';

/** Red Hat OpenShift HyperShift: a HostedCluster whose pods live in the namespace `<its namespace>-<its name>`. */
export const hypershift: Platform = {
  name: 'hypershift',

  backupPermissions: [
    { apiGroups: ['hypershift.openshift.io'], resources: ['hostedclusters'], verbs: ['get', 'list'] },
    { apiGroups: ['hypershift.openshift.io'], resources: ['nodepools'], verbs: ['list'] },
    { apiGroups: [CLUSTER_API_GROUP], resources: Object.values(CLUSTER_API_RESOURCES), verbs: ['list'] },
    // Which kinds these are depends on the provider.
    { apiGroups: ['infrastructure.cluster.x-k8s.io'], resources: ['*'], verbs: ['get'] },
    { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    // A WebSocket upgrade is a GET; since Kubernetes 1.35 it needs create as well (KEP-4006).
    { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
  ],

  async discover(api) {
    if (!(await api.servesKind(HYPERSHIFT_API, 'HostedCluster'))) return [];
    const objects = await api.list(HYPERSHIFT_API, 'HostedCluster');
    return objects.map((object) => {
      const hostedCluster = parseHostedCluster(object);
      const { namespace, name, uid, labels = {} } = hostedCluster.metadata;
      const version = completedVersion(hostedCluster);
      return { namespace, name, uid, version, labels, state: stateOf(hostedCluster) };
    });
  },

  async describe(api, name) {
    const hostedCluster = parseHostedCluster(await getHostedCluster(api, name));
    return {
      uid: hostedCluster.metadata.uid,
      version: completedVersion(hostedCluster),
      datastores: await describeEtcds(api, controlPlaneNamespace(name), hostedCluster),
      warnings: [],
    };
  },

  captureIdentity,
};
