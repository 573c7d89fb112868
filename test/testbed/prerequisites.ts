import { access, constants, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runCommand } from './command.ts';
import { TestbedError } from './errors.ts';
import type { Report } from './progress.ts';

/** Why the test bed cannot run on this machine, as a sentence; undefined when it can. */
export async function findObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `the test bed needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0)
    return 'the test bed needs root (network namespaces, containers), and this is another user';
  const probe = await runCommand('unshare', ['--net', '--mount', '--pid', '--fork', 'true']).catch(() => undefined);
  // Without unshare nothing is known yet: it is among what gets installed.
  if (probe !== undefined && probe.exitCode !== 0)
    return 'the test bed needs namespaces of its own, and this root may not create any';
  return undefined;
}

/** A program that must be there, with Debian's package of it. */
interface Prerequisite {
  readonly program: string;
  readonly package: string;
}

const PROGRAMS: readonly Prerequisite[] = [
  { program: 'containerd', package: 'containerd' },
  { program: 'ctr', package: 'containerd' },
  { program: 'runc', package: 'runc' },
  { program: 'iptables', package: 'iptables' },
  { program: 'conntrack', package: 'conntrack' },
  { program: 'ip', package: 'iproute2' },
  { program: 'mount', package: 'mount' },
  { program: 'nsenter', package: 'util-linux' },
  { program: 'unshare', package: 'util-linux' },
  { program: 'flock', package: 'util-linux' },
  { program: 'tar', package: 'tar' },
];

/** Debian's place of the CNI plugins, then upstream's. */
const CNI_DIRECTORIES = ['/usr/lib/cni', '/opt/cni/bin'] as const;
const CNI_PLUGINS = ['ptp', 'host-local', 'loopback'] as const;

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function isOnPath(program: string): Promise<boolean> {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  const found = await Promise.all(directories.map((directory) => isExecutable(join(directory, program))));
  return found.includes(true);
}

async function findCniPlugins(): Promise<string | undefined> {
  for (const directory of CNI_DIRECTORIES) {
    const found = await Promise.all(CNI_PLUGINS.map((plugin) => isExecutable(join(directory, plugin))));
    if (!found.includes(false)) return directory;
  }
  return undefined;
}

/** The directory with the CNI plugins that a cluster uses. */
export async function cniPluginDirectory(): Promise<string> {
  const directory = await findCniPlugins();
  if (directory === undefined) {
    throw new TestbedError(`No CNI plugins ${CNI_PLUGINS.join(', ')} in ${CNI_DIRECTORIES.join(' or ')}`, {
      remedy: 'Install them: apt-get install containernetworking-plugins.',
    });
  }
  return directory;
}

/** Only the static busybox runs in an image without a C library; both packages put theirs at the same path. */
async function hasStaticBusybox(): Promise<boolean> {
  if (!(await isExecutable('/bin/busybox'))) return false;
  const { stdout, stderr } = await runCommand('ldd', ['/bin/busybox']);
  return /not a dynamic executable|statically linked/.test(stdout + stderr);
}

async function findMissingPackages(also: readonly Prerequisite[]): Promise<string[]> {
  const missing = new Set<string>();
  for (const { program, package: name } of [...PROGRAMS, ...also]) {
    if (!(await isOnPath(program))) missing.add(name);
  }
  if ((await findCniPlugins()) === undefined) missing.add('containernetworking-plugins');
  if (!(await hasStaticBusybox())) missing.add('busybox-static');
  return [...missing];
}

const POLICY = '/usr/sbin/policy-rc.d';

/** Debian starts a service when its package is installed, unless this file says no; an existing one is left alone. */
async function withoutStartingServices(install: () => Promise<void>): Promise<void> {
  const isOurs = await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' }).then(
    () => true,
    () => false,
  );
  try {
    await install();
  } finally {
    if (isOurs) await rm(POLICY, { force: true });
  }
}

/** Without apt-get, TestbedError says in one sentence what to install. */
async function installPackages(report: Report, packages: readonly string[]): Promise<void> {
  if (!(await isOnPath('apt-get'))) {
    throw new TestbedError(`The test bed lacks what Debian calls ${packages.join(', ')}`, {
      remedy: `Install these with the system's package manager (Debian: apt-get install ${packages.join(' ')}).`,
    });
  }
  report(`Installing ${packages.join(', ')} with apt-get`);
  await withoutStartingServices(async () => {
    await aptGet(['update']);
    await aptGet(['install', '--yes', '--no-install-recommends', ...packages]);
  });
}

async function aptGet(args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runCommand('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeoutSeconds: 900,
  });
  if (exitCode !== 0) {
    throw new TestbedError(`apt-get ${args.join(' ')} ended with ${exitCode}: ${stderr.trim().slice(-1000)}`, {
      remedy: `Run it yourself, then start again.`,
    });
  }
}

const INOTIFY_INSTANCES = '/proc/sys/fs/inotify/max_user_instances';
/** A cluster takes some twenty, a hosted control plane half as many; Linux allows a user 128 unless told otherwise. */
const WANTED_INOTIFY_INSTANCES = 8_192;

/** Without them a kube-proxy ends at its start, and no Service of its cluster is ever reached. */
async function ensureInotifyInstances(report: Report): Promise<void> {
  if (Number(await readFile(INOTIFY_INSTANCES, 'utf8')) >= WANTED_INOTIFY_INSTANCES) return;
  await writeFile(INOTIFY_INSTANCES, String(WANTED_INOTIFY_INSTANCES)).then(
    () => {
      report(`fs.inotify.max_user_instances raised to ${WANTED_INOTIFY_INSTANCES}, until the machine starts anew`);
    },
    (error: unknown) => {
      report(`fs.inotify.max_user_instances stays low, and many clusters may not start: ${String(error)}`);
    },
  );
}

/**
 * Installs what the machine lacks with apt-get, and `also` what a caller needs beside the bed's own; without apt-get,
 * TestbedError says in one sentence what to install.
 */
export async function ensurePrerequisites(report: Report, also: readonly Prerequisite[] = []): Promise<void> {
  await ensureInotifyInstances(report);
  const packages = await findMissingPackages(also);
  if (packages.length === 0) return;
  await installPackages(report, packages);
  const stillMissing = await findMissingPackages(also);
  if (stillMissing.length > 0) {
    throw new TestbedError(
      `apt-get installed ${packages.join(', ')}, and yet ${stillMissing.join(', ')} is not found`,
      {
        remedy: 'Check that PATH has /usr/sbin and /sbin.',
      },
    );
  }
}

/** Installs with apt-get what `python3 -m venv` needs, where it is not there. */
export async function ensurePythonVenv(report: Report): Promise<void> {
  // Debian has the module venv without its package, but not ensurepip, which puts pip into the environment.
  const probe = await runCommand('python3', ['-c', 'import venv, ensurepip']).catch(() => undefined);
  if (probe?.exitCode !== 0) await installPackages(report, ['python3', 'python3-venv']);
}
