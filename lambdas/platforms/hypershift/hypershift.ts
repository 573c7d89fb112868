import type { Platform } from '../platform.ts';
import { apiServers } from './api-servers.ts';
import { describeEtcds, readClientTls } from './etcd.ts';
import {
  completedVersion,
  controlPlaneNamespace,
  getHostedCluster,
  HYPERSHIFT_API,
  parseHostedCluster,
  stateOf,
} from './hosted-cluster.ts';
import { captureIdentity, encryptionKeysOf, findIdentity } from './identity.ts';
import { markRestored, readMark, writeMark } from './mark.ts';
import { BACKUP_PERMISSIONS, RESTORE_PERMISSIONS } from './permissions.ts';
import { reconcilers } from './reconcilers.ts';
import { describeRestoreTarget } from './restore-target.ts';

/** Red Hat OpenShift HyperShift: a HostedCluster whose pods live in the namespace `<its namespace>-<its name>`. */
export const hypershift: Platform = {
  name: 'hypershift',

  backupPermissions: BACKUP_PERMISSIONS,
  restorePermissions: RESTORE_PERMISSIONS,

  namespacesOf: (name) => [name.namespace, controlPlaneNamespace(name)],

  async discover(api, namespaces) {
    if (!(await api.servesKind(HYPERSHIFT_API, 'HostedCluster'))) return undefined;
    const objects =
      namespaces === undefined
        ? await api.list(HYPERSHIFT_API, 'HostedCluster')
        : (
            await Promise.all(
              namespaces.map((place) => api.list(HYPERSHIFT_API, 'HostedCluster', { namespace: place })),
            )
          ).flat();
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
      datastores: await describeEtcds(api, hostedCluster),
      warnings: [],
    };
  },

  captureIdentity,
  findIdentity,
  encryptionKeysOf,

  restoreTarget: describeRestoreTarget,
  reconcilers,
  apiServers,
  datastoreAccess: { etcdTls: (api, name) => readClientTls(api, controlPlaneNamespace(name)) },
  readMark,
  writeMark,
  markRestored,
};
