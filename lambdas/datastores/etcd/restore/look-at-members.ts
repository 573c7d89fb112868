import { setTimeout as delay } from 'node:timers/promises';
import { ClusterUnreachableError, DatastoreError, LifeboatError, PermissionError } from '../../../domain/errors.ts';
import type { EtcdInstallation, EtcdMemberVolume } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls, EtcdWorkload } from '../../../domain/etcd-workload.ts';
import { withMember, type Reach } from '../reach-member.ts';
import type { EtcdStatus } from '../wire/messages.ts';
import { workloadOf } from './workload.ts';

/** An election is over much sooner; a member that starts slowly is given as long. */
const PATIENCE_MILLISECONDS = 15_000;
const ANSWER_MILLISECONDS = 10_000;
const INTERVAL_MILLISECONDS = 1_000;

/** A member that can be read from. */
interface AnsweringMember {
  readonly pod: string;
  readonly status: EtcdStatus;
}

/** An etcd as it was found before a restore. */
export interface LookedAtEtcd {
  /** One that knows a leader, if any does; undefined: no member answers. */
  readonly member: AnsweringMember | undefined;
  /** What keeps the members from serving as one cluster, a sentence each; none: all of them serve. */
  readonly outages: readonly string[];
}

interface SilentMember {
  readonly pod: string;
  readonly reason: string;
  /** Of one whose pod says that it is ready. */
  readonly contradiction?: LifeboatError;
}

type Answer = AnsweringMember | SilentMember;

/**
 * Asks every member how it is, again and again for 15 s while one of them is not as it should be. That a member does not answer counts
 * only where its pod is not ready either; otherwise the error is thrown, like those of the management cluster:
 * ClusterUnreachableError, PermissionError, TunnelError, DatastoreError, NoUsableMemberError, or the signal's reason.
 */
export async function lookAtMembers(
  installation: EtcdInstallation,
  tls: EtcdClientTls,
  { cluster, signal }: Reach,
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<LookedAtEtcd> {
  const workload = workloadOf(installation, tls);
  const deadline = performance.now() + patienceMilliseconds;
  for (;;) {
    const answers = await Promise.all(installation.members.map((member) => ask(workload, member, { cluster, signal })));
    const outages = outagesOf(installation, answers);
    const isFinal = installation.members.every(({ podState }) => podState === 'none');
    if (outages.length === 0 || isFinal || performance.now() > deadline) {
      for (const answer of answers) {
        if (!isAnswering(answer) && answer.contradiction !== undefined) throw answer.contradiction;
      }
      return { member: chooseMember(answers), outages };
    }
    await delay(INTERVAL_MILLISECONDS, undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
  }
}

async function ask(
  workload: EtcdWorkload,
  { pod, podState }: EtcdMemberVolume,
  { cluster, signal }: Reach,
): Promise<Answer> {
  if (podState === 'none') return { pod, reason: 'has no pod' };
  const inTime = AbortSignal.timeout(ANSWER_MILLISECONDS);
  const reach = { cluster, signal: AbortSignal.any([signal, inTime]) };
  try {
    return { pod, status: await withMember(workload, pod, reach, (client) => client.status()) };
  } catch (cause) {
    signal.throwIfAborted();
    const error = inTime.aborted
      ? new DatastoreError(`${pod} did not answer in ${ANSWER_MILLISECONDS / 1000} s`)
      : cause;
    if (!(error instanceof LifeboatError)) throw error;
    if (error instanceof PermissionError || error instanceof ClusterUnreachableError) throw error;
    const reason = `does not answer: ${error.message}`;
    return podState === 'ready' ? { pod, reason, contradiction: error } : { pod, reason };
  }
}

function outagesOf({ statefulSet, replicas }: EtcdInstallation, answers: readonly Answer[]): string[] {
  if (replicas === 0) return [`StatefulSet ${statefulSet} stands at zero replicas`];
  const members = answers.filter(isAnswering);
  const silent = answers.flatMap((answer) => (isAnswering(answer) ? [] : [`${answer.pod} ${answer.reason}`]));
  const leaderless = members.filter(({ status }) => status.leaderId === '0').map(({ pod }) => `${pod} knows no leader`);
  const clusters = new Set(members.map(({ status }) => status.clusterId)).size;
  const isCorrupt = members.some(({ status }) => status.alarms.some(({ alarm }) => alarm === 'CORRUPT'));
  return [
    ...silent,
    ...leaderless,
    ...(clusters > 1 ? [`the members are of ${clusters} different etcd clusters`] : []),
    ...(isCorrupt ? ['the CORRUPT alarm is raised'] : []),
  ];
}

function chooseMember(answers: readonly Answer[]): AnsweringMember | undefined {
  const members = answers.filter(isAnswering).sort((a, b) => b.status.revision - a.status.revision);
  return members.find(({ status }) => status.leaderId !== '0') ?? members[0];
}

function isAnswering(answer: Answer): answer is AnsweringMember {
  return 'status' in answer;
}
