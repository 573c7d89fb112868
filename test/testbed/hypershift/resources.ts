import type {
  V1ConfigMap,
  V1Deployment,
  V1Namespace,
  V1Pod,
  V1PodTemplateSpec,
  V1Secret,
  V1Service,
  V1StatefulSet,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { Plain } from '../../../lambdas/domain/kubernetes-object.ts';

/** What every object carries; owners and finalizers are what fights a migration. */
export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
}

type Of<T> = Omit<Plain<T>, 'apiVersion' | 'kind' | 'metadata'> & KubeObject;
export type SecretObject = Of<V1Secret>;
export type ConfigMapObject = Of<V1ConfigMap>;
export type ServiceObject = Of<V1Service>;
export type StatefulSetObject = Of<V1StatefulSet>;
export type DeploymentObject = Of<V1Deployment>;
export type NamespaceObject = Of<V1Namespace>;
export type PodObject = Of<V1Pod>;
export type PodTemplate = Plain<V1PodTemplateSpec>;
export type Volume = Plain<V1Volume>;
export type VolumeMount = Plain<V1VolumeMount>;

export interface NameReference {
  name: string;
}

interface ControlPlaneSpec {
  infraID?: string;
  clusterID?: string;
  issuerURL?: string;
  release: { image: string };
  controllerAvailabilityPolicy?: 'HighlyAvailable' | 'SingleReplica';
  services: {
    service: string;
    servicePublishingStrategy: { type: string; loadBalancer?: { hostname?: string }; route?: { hostname?: string } };
  }[];
  etcd?: {
    managementType: 'Managed' | 'Unmanaged';
    managed?: {
      storage: {
        persistentVolume?: { size?: string; storageClassName?: string };
        restoreSnapshotURL?: [string];
      };
      shards?: { name: string; replicas?: number; resourcePrefixes?: string[] }[];
    };
  };
  secretEncryption?: { type: 'aescbc' | 'kms'; aescbc?: { activeKey: NameReference; backupKey?: NameReference } };
  pausedUntil?: string;
  pullSecret: NameReference;
  /** Brings an own key for service-account tokens, in data key `key`. */
  serviceAccountSigningKey?: NameReference;
}

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message?: string;
  observedGeneration?: number;
  lastTransitionTime: string;
}

interface ControlPlaneStatus extends Record<string, unknown> {
  conditions?: Condition[];
  version?: { history: { state: string; version: string }[] };
}

/** A HostedCluster or the HostedControlPlane that copies its spec. */
export interface ControlPlaneObject extends KubeObject {
  spec: ControlPlaneSpec;
  status?: ControlPlaneStatus;
}

export interface NodePoolObject extends KubeObject {
  spec: {
    clusterName: string;
    replicas?: number;
    release: { image: string };
    config?: NameReference[];
    tuningConfig?: NameReference[];
    platform: { type: string; aws?: Record<string, unknown> };
    pausedUntil?: string;
  };
  status?: { replicas?: number; conditions?: Condition[] };
}

/** Any object of Cluster API or its AWS provider. */
export interface MachineApiObject extends KubeObject {
  spec?: Record<string, unknown>;
}

/** How the API server addresses a kind, and as what TypeScript sees its objects. */
export interface Resource<T extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** Only there to carry the type. */
  readonly object?: T;
}

function resource<T extends KubeObject>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural };
}

const HYPERSHIFT = 'hypershift.openshift.io/v1beta1';
const CLUSTER_API = 'cluster.x-k8s.io/v1beta2';
const AWS_PROVIDER = 'infrastructure.cluster.x-k8s.io/v1beta2';

export const NAMESPACE = resource<NamespaceObject>('v1', 'Namespace', 'namespaces');
export const SECRET = resource<SecretObject>('v1', 'Secret', 'secrets');
export const CONFIG_MAP = resource<ConfigMapObject>('v1', 'ConfigMap', 'configmaps');
export const SERVICE = resource<ServiceObject>('v1', 'Service', 'services');
export const POD = resource<PodObject>('v1', 'Pod', 'pods');
export const STATEFUL_SET = resource<StatefulSetObject>('apps/v1', 'StatefulSet', 'statefulsets');
export const DEPLOYMENT = resource<DeploymentObject>('apps/v1', 'Deployment', 'deployments');
export const HOSTED_CLUSTER = resource<ControlPlaneObject>(HYPERSHIFT, 'HostedCluster', 'hostedclusters');
export const HOSTED_CONTROL_PLANE = resource<ControlPlaneObject>(
  HYPERSHIFT,
  'HostedControlPlane',
  'hostedcontrolplanes',
);
export const NODE_POOL = resource<NodePoolObject>(HYPERSHIFT, 'NodePool', 'nodepools');
export const CLUSTER = resource<MachineApiObject>(CLUSTER_API, 'Cluster', 'clusters');
export const MACHINE_DEPLOYMENT = resource<MachineApiObject>(CLUSTER_API, 'MachineDeployment', 'machinedeployments');
export const MACHINE_SET = resource<MachineApiObject>(CLUSTER_API, 'MachineSet', 'machinesets');
export const MACHINE = resource<MachineApiObject>(CLUSTER_API, 'Machine', 'machines');
export const AWS_CLUSTER = resource<MachineApiObject>(AWS_PROVIDER, 'AWSCluster', 'awsclusters');
export const AWS_MACHINE_TEMPLATE = resource<MachineApiObject>(
  AWS_PROVIDER,
  'AWSMachineTemplate',
  'awsmachinetemplates',
);
export const AWS_MACHINE = resource<MachineApiObject>(AWS_PROVIDER, 'AWSMachine', 'awsmachines');
