import type { ReportProgress } from '../domain/progress.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { ObjectStore } from '../store/object-store.ts';

/** What taking and verifying recovery points needs of the outside; built once, in AWS or on the command line. */
export interface RecoveryPointPorts {
  readonly store: ObjectStore;
  readonly catalogue: Catalogue;
  readonly clock: () => Date;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly report: ReportProgress;
  readonly signal: AbortSignal;
}

/** The same with the management cluster that runs the control plane. */
export interface TakePorts extends RecoveryPointPorts {
  readonly cluster: Cluster;
  readonly random: () => number;
  readonly toolVersion: string;
  /** How long a member may be silent while it streams its snapshot; the datastore's own bound when left out. */
  readonly watchdogMilliseconds?: number;
}
