// What encloses a management cluster: a network, a mount and a process namespace of its own, kept by one process (the
// anchor). The anchor is process 1 in there, so that killing it ends everything that the cluster ever started, shims and
// containers included, and nothing else; with the last process go the mounts, pod networks and links.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { requireRunning, startDetached, type ProcessRecord } from './process.ts';
import { waitFor } from './waiting.ts';

/** The programs of a cluster as its processes see them. */
const PROGRAMS = ['kubernetes', 'coredns'] as const;
export type ProgramName = (typeof PROGRAMS)[number];

export function programPath(stateDirectory: string, program: ProgramName): string {
  return join(stateDirectory, 'programs', program);
}

// /run, /var/lib and /var/log are the cluster's own because paths in there are fixed in programs: kubelet's device plugin
// socket and container log links, containerd's shim sockets, libcni's results, iptables' lock. /tmp is, because the
// host-path provisioner knows only /tmp/hostpath_pv. Mounting over /var/lib hides the state directory: it waits in /mnt.
const ANCHOR_SCRIPT = `
set -e
state=$1 kubernetes=$2 coredns=$3
mount --bind "$kubernetes" "$state/programs/kubernetes"
mount --bind "$coredns" "$state/programs/coredns"
mount --rbind "$state" /mnt
mount -t tmpfs -o mode=0755 lifeboat-testbed /var/lib
mkdir -p "$state"
mount --move /mnt "$state"
mount -t tmpfs -o mode=0755 lifeboat-testbed /run
mount -t tmpfs -o mode=0755 lifeboat-testbed /var/log
mount --bind "$state/tmp" /tmp
mount --make-rshared /
echo ready
# Process 1 inherits orphans; waiting reaps them.
while :; do sleep 3600 & wait; done
`;

/**
 * Starts the anchor. `stateDirectory` must lie under /var/lib and have a `logs`; its `tmp` is the cluster's /tmp. To be
 * recorded before anything else is done: it is what ends the cluster.
 */
export async function startAnchor(stateDirectory: string, binaries: Binaries): Promise<ProcessRecord> {
  await Promise.all(['programs', 'tmp'].map((name) => mkdir(join(stateDirectory, name), { recursive: true })));
  await Promise.all(PROGRAMS.map((program) => writeFile(programPath(stateDirectory, program), '')));
  const script = ['sh', '-c', ANCHOR_SCRIPT, 'lifeboat-testbed', stateDirectory, binaries.kubernetes, binaries.coredns];
  return startDetached({
    name: 'enclosure',
    command: [
      'unshare',
      '--net',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child=SIGKILL',
      '--mount-proc',
      '--',
      ...script,
    ],
    logPath: join(stateDirectory, 'logs', 'enclosure.log'),
    recordsChild: true,
  });
}

/** Waits until the anchor has furnished its namespaces: nothing may be started inside before. */
export async function waitForEnclosure(anchor: ProcessRecord): Promise<void> {
  await waitFor(
    'the namespaces of the cluster',
    async () => {
      if ((await readFile(anchor.logPath, 'utf8')).includes('ready')) return true;
      await requireRunning(anchor);
      return false;
    },
    { timeoutSeconds: 10, intervalMilliseconds: 5 },
  );
}

/** Puts a command inside the enclosure altogether, as the cluster's own processes run. */
export function insideCommand(anchor: ProcessRecord, command: readonly string[]): [string, ...string[]] {
  return ['nsenter', '--target', String(anchor.pid), '--net', '--mount', '--pid', '--', ...command];
}

/** Puts a command into the cluster's network only: files and processes stay the host's. */
export function networkCommand(anchor: ProcessRecord, command: readonly string[]): [string, ...string[]] {
  return ['nsenter', '--target', String(anchor.pid), '--net', '--', ...command];
}

/** Starts a process inside that outlives us. */
export async function startInside(
  anchor: ProcessRecord,
  { name, command, logPath }: { name: string; command: readonly string[]; logPath: string },
): Promise<ProcessRecord> {
  return startDetached({ name, command: insideCommand(anchor, command), logPath, recordsChild: true });
}
