import type { ControlPlaneName, PlatformName } from '../domain/control-plane.ts';
import type { RestoreTarget } from '../domain/restore-target.ts';
import type { Datastore } from '../domain/datastore.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { PolicyRule } from '../kube/enrolment-objects.ts';
import type { KubeApi } from '../kube/kube-api.ts';
import type { ApiServers } from './api-servers.ts';
import type { DatastoreAccess } from './datastore-access.ts';
import type { Reconcilers } from './reconcilers.ts';

/** One control plane as discovery finds it. */
export interface DiscoveredControlPlane {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** One sentence on its state for people, e.g. `available`, `paused until true`. */
  readonly state: string;
}

/** What a control plane is made of, as far as a recovery point needs it. */
export interface DescribedControlPlane {
  readonly uid: string;
  readonly version: string | null;
  readonly datastores: readonly Datastore[];
  /** What a person should know although the recovery point is complete, e.g. a datastore that is left out on purpose. */
  readonly warnings: readonly string[];
}

/** Something that a control plane refers to and that is not there. */
export interface MissingObject {
  /** `<kind> <namespace>/<name>`. */
  readonly object: string;
  /** What refers to it. */
  readonly why: string;
}

/** The identity of a control plane as far as it is there. */
export interface FoundIdentity {
  readonly objects: readonly KubernetesObject[];
  readonly missing: readonly MissingObject[];
}

/** The mark of an operation on a control plane, of which only its writer knows the form. */
export interface SeenMark {
  readonly text: string | null;
  /** Of the object that carries it: that of the control plane, as in its {@link RestoreTarget}. */
  readonly uid: string;
  /** Of the same object, which changes with every write to that. */
  readonly version: string;
}

/**
 * One platform: it knows what its control planes are made of. How they are held, stopped and reached are ports of their own.
 * Errors of every method: those of {@link KubeApi}, and as each says.
 */
export interface Platform {
  readonly name: PlatformName;
  /** All that a backup may do on a management cluster; nothing in it writes. */
  readonly backupPermissions: readonly PolicyRule[];
  /** All that a restore in place may do, its safety snapshot included. */
  readonly restorePermissions: readonly PolicyRule[];
  /** Where the objects of a control plane lie. */
  namespacesOf(name: ControlPlaneName): readonly string[];
  /** The control planes of a management cluster, or of some of its namespaces; undefined when it does not serve this platform's API. */
  discover(api: KubeApi, namespaces?: readonly string[]): Promise<DiscoveredControlPlane[] | undefined>;
  /** NotFoundError when there is no such control plane, NoUsableMemberError when its datastore can't be reached this way. */
  describe(api: KubeApi, name: ControlPlaneName): Promise<DescribedControlPlane>;
  /** Every object that a restore can't live without; IdentityIncompleteError names all that are referenced and missing. */
  captureIdentity(api: KubeApi, name: ControlPlaneName): Promise<KubernetesObject[]>;
  /** The same where some of it may be missing. */
  findIdentity(api: KubeApi, name: ControlPlaneName): Promise<FoundIdentity>;
  /** The Secrets of an identity that the datastore's values can't be read without, as `<kind> <namespace>/<name>`. */
  encryptionKeysOf(identity: readonly KubernetesObject[]): string[];
  /**
   * What a restore in place works on; it also stands while the API servers and the datastore are at zero or broken.
   * RestoreRefusedError when the control plane is gone or can't be restored as it is now.
   */
  restoreTarget(api: KubeApi, name: ControlPlaneName): Promise<RestoreTarget>;
  readonly reconcilers: Reconcilers;
  readonly apiServers: ApiServers;
  readonly datastoreAccess: DatastoreAccess;
  /** What marks the control plane as being worked on, on an object of it that stays; undefined when that is not there. */
  readMark(api: KubeApi, name: ControlPlaneName): Promise<SeenMark | undefined>;
  /** Sets the mark, or removes it (null), if the object has still that version; false when it has not, or is gone. */
  writeMark(api: KubeApi, name: ControlPlaneName, mark: Omit<SeenMark, 'uid'>): Promise<boolean>;
  /** Tells the platform that the data of a control plane are from a backup, for what it does after that. Safe to repeat. */
  markRestored(api: KubeApi, name: ControlPlaneName): Promise<void>;
}
