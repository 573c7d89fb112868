import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';

/** What a member's metrics say of its database file. */
interface FileUse {
  /** While one is open its pages are not used again, and the file grows. Every snapshot under way holds one. */
  readonly readTransactions: number;
  /** etcd counts its read transactions anew with each. */
  readonly commits: number;
}

const COUNTS = 3;

/** Watches who reads the database files of a hosted etcd. */
export class EtcdReaders {
  readonly #hosted: HostedCluster;
  /** Read transactions of each member by itself. */
  readonly #own: readonly number[];

  private constructor(hosted: HostedCluster, own: readonly number[]) {
    this.#hosted = hosted;
    this.#own = own;
  }

  /** To be called while nobody takes a snapshot. */
  static async of(hosted: HostedCluster): Promise<EtcdReaders> {
    const members = await hosted.memberAddresses();
    return new EtcdReaders(hosted, await Promise.all(members.map((_, member) => readOwn(hosted, member))));
  }

  /** Number of the member that streams a snapshot just now; waits until there is one. */
  async streamingMember(): Promise<number> {
    const { member } = await waitFor(
      'a member to stream a snapshot',
      async () => {
        const uses = await Promise.all(this.#own.map((_, member) => readFileUse(this.#hosted, member)));
        const member = uses.findIndex(({ readTransactions }, index) => readTransactions > (this.#own[index] ?? 0));
        return member >= 0 && { member };
      },
      { timeoutSeconds: 30 },
    );
    return member;
  }

  /** Waits until every member has counted its readers anew and has none besides its own. */
  async untilReleased(): Promise<void> {
    await Promise.all(this.#own.map((own, member) => this.#untilReleased(own, member)));
  }

  async #untilReleased(own: number, member: number): Promise<void> {
    let before: FileUse | undefined;
    await waitFor(
      `etcd-${member} of ${this.#hosted.controlPlaneNamespace} to be released`,
      async () => {
        // A member that was killed does not answer for a while, and counts its commits from zero.
        const use = await readFileUse(this.#hosted, member).catch(() => undefined);
        before ??= use;
        return use !== undefined && use.commits !== before?.commits && use.readTransactions <= own;
      },
      { timeoutSeconds: 30, intervalMilliseconds: 100 },
    );
  }
}

/** Besides the one that a member keeps open it opens others for a moment: the fewest that several counts have seen. */
async function readOwn(hosted: HostedCluster, member: number): Promise<number> {
  const counts = new Map<number, number>();
  await waitFor(
    `etcd-${member} of ${hosted.controlPlaneNamespace} to count its readers`,
    async () => {
      const { commits, readTransactions } = await readFileUse(hosted, member);
      return counts.set(commits, readTransactions).size >= COUNTS;
    },
    { timeoutSeconds: 60, intervalMilliseconds: 100 },
  );
  return Math.min(...counts.values());
}

async function readFileUse(hosted: HostedCluster, member: number): Promise<FileUse> {
  const metrics = await hosted.metrics(member);
  const value = (name: string): number => {
    const [, number] = new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics) ?? [];
    if (number === undefined) throw new Error(`etcd-${member} has no metric ${name}`);
    return Number(number);
  };
  return {
    readTransactions: value('etcd_mvcc_db_open_read_transactions'),
    commits: value('etcd_disk_backend_commit_duration_seconds_count'),
  };
}
