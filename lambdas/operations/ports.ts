import type { Configuration } from '../domain/configuration.ts';
import type { Events } from '../events/events.ts';
import type { Connect } from '../platforms/discover.ts';
import type { RecoveryPointPorts } from '../recovery-points/ports.ts';
import type { Journal } from '../store/journal.ts';
import type { Locks } from '../store/locks.ts';

/** What the steps of operations need that talk to no cluster and publish nothing. */
export interface RunPorts extends RecoveryPointPorts {
  readonly configuration: Configuration;
  readonly journal: Journal;
  readonly locks: Locks;
  /** What one call of a step may take where something ends it, as Lambda does; undefined: as long as it takes. */
  readonly secondsACall?: number;
}

/** The same for those that tell what happened. */
export interface PublishingRunPorts extends RunPorts {
  readonly events: Events;
}

/** The same with the management clusters. */
export interface ClusterRunPorts extends PublishingRunPorts {
  readonly connect: Connect;
  /** When the account for restores on a management cluster ends, if it has one; null when that is not known. */
  readonly restoreCredentialsEndAt: (managementCluster: string) => Promise<Date | null>;
  readonly random: () => number;
  readonly toolVersion: string;
}
