import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import { waitFor } from '../testbed/waiting.ts';

/** What a member's metrics say of snapshots. */
interface Readers {
  /** Snapshot calls that have begun and not ended. */
  readonly streaming: number;
  /** Read transactions on the database file: while one is open its pages are not used again, and the file grows. */
  readonly transactions: number;
}

/** Watches who reads the database files of a hosted etcd. */
export class EtcdReaders {
  readonly #hosted: HostedCluster;
  readonly #members: readonly number[];
  readonly #baseline: readonly number[];

  private constructor(hosted: HostedCluster, members: readonly number[], baseline: readonly number[]) {
    this.#hosted = hosted;
    this.#members = members;
    this.#baseline = baseline;
  }

  /** To be called while nobody takes a snapshot. */
  static async of(hosted: HostedCluster): Promise<EtcdReaders> {
    const members = (await hosted.memberAddresses()).map((_, index) => index);
    const readers = await Promise.all(members.map((member) => readersOf(hosted, member)));
    return new EtcdReaders(
      hosted,
      members,
      readers.map(({ transactions }) => transactions),
    );
  }

  /** Number of the member that streams a snapshot just now; waits until there is one. */
  async streamingMember(): Promise<number> {
    return waitFor(
      'a member to stream a snapshot',
      async () => {
        const readers = await Promise.all(this.#members.map((member) => readersOf(this.#hosted, member)));
        const member = readers.findIndex(({ streaming }) => streaming > 0);
        return member >= 0 && { member };
      },
      { timeoutSeconds: 10 },
    ).then(({ member }) => member);
  }

  /** Waits until every member has ended every snapshot and reads no more than in the beginning. */
  async untilReleased(): Promise<void> {
    await Promise.all(
      this.#members.map((member) =>
        waitFor(
          `etcd-${member} of ${this.#hosted.controlPlaneNamespace} to be released`,
          async () => {
            // A member that was killed is not there for a while.
            const readers = await readersOf(this.#hosted, member).catch(() => undefined);
            return readers?.streaming === 0 && readers.transactions <= (this.#baseline[member] ?? 0);
          },
          { timeoutSeconds: 30, intervalMilliseconds: 100 },
        ),
      ),
    );
  }
}

async function readersOf(hosted: HostedCluster, member: number): Promise<Readers> {
  const metrics = await hosted.metrics(member);
  const sum = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}\\{[^}]*grpc_method="Snapshot"[^}]*\\} (\\d+)$`, 'gm'))]
      .map(([, count]) => Number(count))
      .reduce((total, count) => total + count, 0);
  return {
    streaming: sum('grpc_server_started_total') - sum('grpc_server_handled_total'),
    transactions: Number(/^etcd_mvcc_db_open_read_transactions (\d+)$/m.exec(metrics)?.[1]),
  };
}
