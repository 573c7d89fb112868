import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { weighContainers } from './cgroups.ts';
import { requireCommand, runCommand } from './command.ts';
import { startInside } from './enclosure.ts';
import { errorCode } from './errors.ts';
import { PAUSE_IMAGE } from './images.ts';
import { cniPluginDirectory } from './prerequisites.ts';
import { requireRunning, type ProcessRecord } from './process.ts';
import { waitFor } from './waiting.ts';

/** containerd's socket; reachable from the host, for the namespaces of a cluster do not hide its state directory. */
export function containerdSocket(stateDirectory: string): string {
  return join(stateDirectory, 'containerd', 'containerd.sock');
}

function renderConfiguration(directory: string, cniPlugins: string): string {
  // restrict_oom_score_adj: without it, on a machine where root may not lower the score, every pod fails with
  // "can't get final child's PID".
  return `
version = 2
root = "${directory}/root"
state = "${directory}/state"
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPlugins}"
    conf_dir = "${directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

// ptp and not bridge: every packet between two pods then passes the node's routing and so kube-proxy's rules, whatever
// br_netfilter is set to, and there is no bridge to remove.
function renderCniConfiguration(podSubnet: string): string {
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'lifeboat-testbed',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: podSubnet }]],
          routes: [{ dst: '0.0.0.0/0' }],
          dataDir: '/run/cni-addresses',
        },
      },
    ],
  });
}

/** Ids of the containers that run, or did when their containerd was killed: each has a directory until its task is deleted. */
export async function findContainerIds(stateDirectory: string): Promise<string[]> {
  const tasks = join(stateDirectory, 'containerd', 'state', 'io.containerd.runtime.v2.task', 'k8s.io');
  try {
    return await readdir(tasks);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Starts a cluster's own containerd and returns once it answers. */
export async function startContainerd(
  anchor: ProcessRecord,
  { stateDirectory, podSubnet }: { stateDirectory: string; podSubnet: string },
): Promise<ProcessRecord> {
  const directory = join(stateDirectory, 'containerd');
  await mkdir(join(directory, 'cni'), { recursive: true });
  const configuration = join(directory, 'config.toml');
  await writeFile(configuration, renderConfiguration(directory, await cniPluginDirectory()));
  await writeFile(join(directory, 'cni', '10-testbed.conflist'), renderCniConfiguration(podSubnet));
  await weighContainers();
  const containerd = await startInside(anchor, {
    name: 'containerd',
    command: ['containerd', '--config', configuration],
    logPath: join(stateDirectory, 'logs', 'containerd.log'),
  });
  await waitFor(
    'containerd to answer',
    async () => {
      await requireRunning(containerd);
      const { exitCode } = await runCommand('ctr', ['--address', containerdSocket(stateDirectory), 'version']);
      return exitCode === 0;
    },
    { timeoutSeconds: 20, intervalMilliseconds: 100 },
  );
  return containerd;
}

/** Runs ctr on a cluster's containerd, in the namespace that the kubelet uses. */
export async function ctr(stateDirectory: string, args: readonly string[], timeoutSeconds = 120): Promise<string> {
  const address = containerdSocket(stateDirectory);
  return requireCommand('ctr', ['--address', address, '--namespace', 'k8s.io', ...args], { timeoutSeconds });
}

/** Imports a docker-archive or OCI tar under the names it carries. */
export async function importImage(stateDirectory: string, tar: string): Promise<void> {
  await ctr(stateDirectory, ['images', 'import', tar]);
}
