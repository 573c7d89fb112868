import type { Datastore, Seal } from '../domain/datastore.ts';
import type { EtcdClientTls } from '../domain/etcd-workload.ts';
import type { KeySample, KeyspaceDifference } from '../domain/keyspace-difference.ts';
import type { ManifestDatastore, Proof, StoredSnapshot } from '../domain/recovery-point.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { Upload } from '../store/object-store.ts';

/** How a datastore is got at: through its management cluster, until the signal ends it, and as whom. */
export interface Access {
  readonly cluster: Pick<Cluster, 'openTunnel'>;
  readonly signal: AbortSignal;
  readonly tls: EtcdClientTls;
}

/** Where a snapshot goes. */
export interface Sink {
  /** Called once for each attempt: a failed one leaves nothing behind. */
  readonly beginUpload: (expectedSizeBytes: number) => Promise<Upload>;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** How long the datastore may be silent; the driver's own bound when left out. */
  readonly watchdogMilliseconds?: number;
}

/** A file that its owner has opened and will close, which need not have a name in any directory any more. */
export interface OpenFile {
  /** Names it in errors. */
  readonly path: string;
  readonly descriptor: number;
}

/** Who may end the reading of a file, and who is told how far it is. */
export interface InspectOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** A snapshot that is in the store, with what its stream has told. */
export interface Taken<T> {
  readonly snapshot: T;
  /** What served it, for people. */
  readonly source: string;
  /** What its `stream` proof says. */
  readonly detail: string;
}

/** An entry with all that its file holds. */
export interface Inspected<E> {
  readonly entry: E;
  /** What its `structure` proof says. */
  readonly detail: string;
}

/** How what is held compares with a seal, a sentence each; neither: it is the same on every member. */
export interface SealComparison {
  readonly other?: string;
  /** Who can't tell now. */
  readonly untold?: string;
}

/** A datastore that serves. */
export interface Live<D extends Datastore = Datastore> {
  readonly datastore: D;
  readonly access: Access;
}

/** An entry with what a rate of writes is measured by. */
export interface DatedEntry<E> {
  readonly entry: E;
  readonly controlPlaneUid: string;
  readonly takenAt: Date;
}

/**
 * One kind of datastore `D` and its entry in a manifest, `E`. Of the entry `T` is known before its file is read, be it from the
 * stream or from a manifest.
 */
export interface DatastoreDriver<
  D extends Datastore = Datastore,
  E extends ManifestDatastore = ManifestDatastore,
  T extends StoredSnapshot = StoredSnapshot,
> {
  /** What it is made of, for people. */
  describe(datastore: D): string;
  /** Takes a snapshot; errors name all that was tried. Those of the sink and the signal's reason come through as they are. */
  take(datastore: D, access: Access, sink: Sink): Promise<Taken<T>>;
  /** Reads a file, whose bytes are those that were taken, from end to end. CorruptSnapshotError when it is not sound. */
  inspect(file: OpenFile, snapshot: T, options: InspectOptions): Promise<Inspected<E>>;
  /** How what was found differs from what a manifest records, for people. */
  differences(recorded: E, found: E): string[];
  /** The `live` proof of an inspected file. What can't be asked makes it inconclusive, and is no error. */
  compare(file: OpenFile, entry: E, datastore: D, access: Access): Promise<Pick<Proof, 'result' | 'detail'>>;
  /** Whether an entry holds all that was acknowledged when it was taken. */
  isComplete(entry: E): boolean;
  /** Writes a second since the recovery point before; null when it isn't known. */
  writeRate(now: DatedEntry<E>, before: DatedEntry<E> | undefined): number | null;
  /**
   * What putting a file's data back would change in what is live, which must be of one history; undefined: nothing is live any more,
   * and everything comes back.
   */
  difference(
    file: OpenFile,
    live: Live<D> | undefined,
    options: Pick<InspectOptions, 'signal'>,
  ): Promise<KeyspaceDifference>;
  /** At most `count` keys of a file whose values stay as they are while nobody writes, chosen by `random` (numbers in [0, 1)). */
  sample(
    file: OpenFile,
    count: number,
    random: () => number,
    options: Pick<InspectOptions, 'signal'>,
  ): Promise<KeySample[]>;
  /** Which of these keys have other values in the live datastore, or are not there, whatever the revisions. */
  unlike(sample: readonly KeySample[], datastore: D, access: Access): Promise<string[]>;
  /** Changes with every write to the datastore. It is asked of every member, and their errors are thrown. */
  writeMark(datastore: D, access: Access): Promise<string>;
  /** What it holds at a mark that two looks have shown: DatastoreError when its members do not agree on that. */
  seal(mark: string, datastore: D, access: Access): Promise<Seal>;
  /**
   * Why somebody has written after a seal; undefined when nobody has. What a datastore does by itself is no writing: etcd deletes keys
   * whose leases end.
   */
  whyWritten(seal: Seal, datastore: D, access: Access): Promise<string | undefined>;
  /** Whether what was sealed is what is held, whatever was written later. */
  compareSeal(seal: Seal, datastore: D, access: Access): Promise<SealComparison>;
}
