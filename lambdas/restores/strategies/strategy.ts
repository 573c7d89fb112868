import type { ControlPlaneName } from '../../domain/control-plane.ts';
import type { RestoreTarget } from '../../domain/restore-target.ts';
import type { DatastorePlan, Direction, RestorePlan, RestoreRequest } from '../../domain/restore.ts';
import type { Cluster } from '../../kube/cluster.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import type { Platform } from '../../platforms/platform.ts';
import type { CataloguedPoint } from '../../store/catalogue.ts';
import type { LookedAtRestore, OpenedRestore, PlannedDatastore } from '../open-restore.ts';

/**
 * A look at a part of a restore that is worked for: it does what is still to be done, and says what it waits for; undefined when all
 * is as it must be. It is repeated, and told for how many seconds the part is worked for. One is made for each call of a step.
 */
export type Look = (workedSeconds: number) => Promise<string | undefined>;

/** What a restore is planned of. */
export interface RestoreSubject {
  readonly request: RestoreRequest;
  readonly name: ControlPlaneName;
  readonly point: CataloguedPoint;
  readonly platform: Platform;
  readonly cluster: Cluster;
  readonly target: RestoreTarget;
}

/** A strategy's part of a plan. */
export type StrategyPlan = Pick<RestorePlan, 'datastores' | 'helperImage' | 'apiAwaySeconds' | 'warnings'>;

/** How much of what was there before may go when a restore is cleared away. */
export interface Clearing {
  readonly direction: Direction;
  /** Whether the control plane has the recovery point's data now. */
  readonly isRestored: boolean;
  /** Whether what was put aside has to stay. */
  readonly isKept: boolean;
}

/**
 * One way to put data back. The phases (`restores/phases`) hold the control plane, guard what is late, and stop and start its API
 * servers; a strategy does what concerns the datastores. Each method bears being repeated and being called again after any ending.
 * Forward is to the recovery point's data, back to those that were there.
 */
export interface RestoreStrategy {
  /** Reads the recovery point's data and compares them with what is live; changes nothing. Errors refuse the restore. */
  plan(subject: RestoreSubject, ports: ClusterRunPorts): Promise<StrategyPlan>;
  /** All that can be done while the control plane goes on. */
  prepare(restore: OpenedRestore, ports: ClusterRunPorts): Promise<Look>;
  /** GateError when what was prepared no longer fits datastores that have come to these marks of writes. */
  refuseOutgrown(marks: ReadonlyMap<DatastorePlan, string>): void;
  /** Ends the datastores as far as the exchange needs that. */
  stop(restore: OpenedRestore): Look;
  /** Puts the recovery point's data in place, or the old ones back. */
  exchange(restore: OpenedRestore, direction: Direction, ports: ClusterRunPorts): Look;
  /** Starts the datastores, until they are whole and, forward, take writes; back, those that did not serve get what they had. */
  start(restore: OpenedRestore, direction: Direction, ports: ClusterRunPorts): Look;
  /** Removes what the restore has made in the management cluster and with the datastores. */
  clear(restore: OpenedRestore, clearing: Clearing, ports: ClusterRunPorts): Promise<Look>;
  /** What runs of a datastore, e.g. `StatefulSet clusters-a/etcd`; undefined when nothing does. GateError when it is gone. */
  whatRuns(datastore: PlannedDatastore, restore: LookedAtRestore): Promise<string | undefined>;
}
