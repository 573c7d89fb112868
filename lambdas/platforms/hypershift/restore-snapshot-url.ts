import { isMap, parseAllDocuments, type Document } from 'yaml';
import * as z from 'zod';
import { ConfigurationError, RestoreRefusedError } from '../../domain/errors.ts';
import type { Secret } from '../../domain/secret.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { referenceTo } from './hosted-cluster.ts';

// The rules of HostedCluster's spec.etcd.managed.storage.restoreSnapshotURL: one https URL of at most so many characters, set
// when the object is created or never (openshift/hypershift api/hypershift/v1beta1/hostedcluster_types.go).
const LONGEST_URL_CHARACTERS = 1024;
const STORAGE = ['spec', 'etcd', 'managed', 'storage'];
const FIELD = [...STORAGE, 'restoreSnapshotURL'];

const newHostedClusterSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    controllerAvailabilityPolicy: z.string().optional(),
    etcd: z
      .object({
        managementType: z.string(),
        managed: z
          .object({ storage: z.looseObject({ restoreSnapshotURL: z.unknown().optional() }).optional() })
          .optional(),
      })
      .optional(),
  }),
});

/** The manifest of a HostedCluster that is going to be created, with all that stands beside it in its file. */
export interface NewHostedCluster {
  readonly namespace: string;
  readonly name: string;
  /** The text of the file with the field set; comments and other objects are kept. */
  withRestoreUrl(url: Secret): string;
}

interface ManifestOptions {
  /** For messages. */
  readonly source: string;
  /** Somebody has checked that the platform restores several members as one cluster. */
  readonly formsOneCluster: boolean;
}

/**
 * Reads a manifest whose etcd is to be filled from a URL when it is created. ConfigurationError when there is not exactly one
 * HostedCluster in it, RestoreRefusedError when its etcd can't be restored in this way.
 */
export function parseNewHostedCluster(text: string, { source, formsOneCluster }: ManifestOptions): NewHostedCluster {
  const documents = parsedDocuments(text);
  const [document, ...others] = documents.filter((candidate) => candidate.get('kind') === 'HostedCluster');
  if (document === undefined || others.length > 0) {
    throw new ConfigurationError(`${source} does not hold exactly one HostedCluster as YAML`, {
      remedy: 'Give the manifest that you would create it with, e.g. of "hypershift create cluster … --render".',
    });
  }
  const parsed = newHostedClusterSchema.safeParse(document.toJS());
  if (!parsed.success) {
    throw new ConfigurationError(`the HostedCluster in ${source} lacks something: ${z.prettifyError(parsed.error)}`, {
      remedy: 'Compare it with hypershift.openshift.io/v1beta1.',
    });
  }
  const { metadata, spec } = parsed.data;
  refuseUnfit(spec, `HostedCluster ${metadata.namespace}/${metadata.name}`, formsOneCluster);
  return {
    ...metadata,
    withRestoreUrl(url) {
      if (spec.etcd?.managed?.storage === undefined) {
        // What the API's defaults make of a HostedCluster that says nothing of its etcd.
        document.setIn(['spec', 'etcd', 'managementType'], 'Managed');
        document.setIn(STORAGE, document.createNode({ type: 'PersistentVolume', persistentVolume: { size: '8Gi' } }));
      }
      document.setIn(FIELD, document.createNode([url.reveal()]));
      return documents.map(String).join('');
    },
  };
}

/** RestoreRefusedError when it is there already: then the field can't be set any more. */
export async function refusePresentHostedCluster(
  api: KubeApi,
  { namespace, name }: NewHostedCluster,
  managementCluster: string,
): Promise<void> {
  if ((await api.get(referenceTo({ managementCluster, namespace, name }))) === undefined) return;
  throw new RestoreRefusedError(
    `HostedCluster ${namespace}/${name} is on ${managementCluster} already, and restoreSnapshotURL can't be added any more`,
    { remedy: `Restore it in place: lifeboat restore ${managementCluster}/${namespace}/${name}.` },
  );
}

/** RestoreRefusedError for a URL that the field can't hold. */
export function refuseUnfitUrl(
  url: Secret,
  { namespace, name }: Pick<NewHostedCluster, 'namespace' | 'name'>,
  temporaryCredentials: boolean,
): void {
  const { length } = url.reveal();
  if (length > LONGEST_URL_CHARACTERS) {
    const why = temporaryCredentials ? ', because it carries the token of a session' : '';
    throw new RestoreRefusedError(
      `the URL has ${length} characters${why}, and restoreSnapshotURL takes ${LONGEST_URL_CHARACTERS}`,
      {
        remedy: `Sign it with the access key of an IAM user, which needs no token; or create ${namespace}/${name} without the field and fill it in place: lifeboat restore … --accept-other-uid.`,
      },
    );
  }
  if (url.reveal().startsWith('https://')) return;
  throw new RestoreRefusedError('the URL does not begin with https://, and restoreSnapshotURL takes no other', {
    remedy: 'Set "s3.endpoint" in lifeboat.yaml to an https URL that the pods of the control plane can reach.',
  });
}

function refuseUnfit(
  { etcd, controllerAvailabilityPolicy = 'HighlyAvailable' }: z.infer<typeof newHostedClusterSchema>['spec'],
  what: string,
  formsOneCluster: boolean,
): void {
  if (etcd !== undefined && etcd.managementType !== 'Managed') {
    throw new RestoreRefusedError(
      `the etcd of ${what} is ${etcd.managementType}, and the platform fills only its own`,
      {
        remedy: 'Take the file with "lifeboat export" and restore that etcd as its owner does.',
      },
    );
  }
  if (etcd?.managed?.storage?.restoreSnapshotURL !== undefined) {
    throw new RestoreRefusedError(`${what} has a restoreSnapshotURL already`, {
      remedy: 'Take it out of the manifest; it can hold one URL only.',
    });
  }
  if (controllerAvailabilityPolicy === 'SingleReplica' || formsOneCluster) return;
  throw new RestoreRefusedError(
    `${what} is ${controllerAvailabilityPolicy}: an etcd-init without ETCD_INITIAL_CLUSTER restores three members as three clusters, each of which looks healthy`,
    {
      remedy:
        'Create it without the field and fill it in place: lifeboat restore … --accept-other-uid. If etcd-init of your release is known to have that variable, say --etcd-init-forms-one-cluster.',
    },
  );
}

/** None when the text is not YAML throughout. */
function parsedDocuments(text: string): Document.Parsed[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  // Lists and plain values stand for no object of Kubernetes, and neither does what follows the last separator.
  const isUsable = ({ errors, contents }: Document.Parsed) =>
    errors.length === 0 && (contents === null || isMap(contents));
  return documents.every(isUsable) ? documents : [];
}
