import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { requireCommand } from '../testbed/command.ts';

/** What a bed could leave behind on the machine, each as a set of lines that name one thing. */
export interface SystemSnapshot {
  readonly mounts: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
  readonly firewallRules: ReadonlySet<string>;
  /** Network namespaces that a process lives in. */
  readonly networkNamespaces: ReadonlySet<string>;
  /** Files and directories of the places where container runtimes leave something. */
  readonly files: ReadonlySet<string>;
}

/** Where containerd, runc, CNI plugins, kubelet and iptables keep things unless told otherwise; beds lie in the last. */
const TRACES = [
  ...['/run/containerd', '/run/runc', '/run/netns', '/run/cni-addresses', '/var/lib/cni', '/var/lib/kubelet'],
  ...['/var/log/pods', '/var/log/containers', '/tmp/hostpath_pv', '/opt/containerd', '/usr/libexec/kubernetes'],
  ...['/var/lib/lifeboat-testbed'],
];

const lines = (text: string): Set<string> => new Set(text.split('\n').filter((line) => line.trim() !== ''));

async function findDirectories(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name));
  return [...below, ...(await Promise.all(below.map(findDirectories))).flat()];
}

/** Ids of all processes that are there at the moment. */
export async function listProcesses(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** A namespace of a process, e.g. `net:[4026531833]`; undefined when the process is gone. */
export async function readNamespace(pid: number, kind: 'net' | 'pid'): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/${kind}`).catch(() => undefined);
}

async function networkNamespaces(): Promise<Set<string>> {
  const found = await Promise.all((await listProcesses()).map((pid) => readNamespace(pid, 'net')));
  return new Set(found.filter((name) => name !== undefined));
}

async function traces(): Promise<Set<string>> {
  const found = await Promise.all(
    TRACES.map(async (directory) => (await readdir(directory).catch(() => [])).map((name) => join(directory, name))),
  );
  return new Set(found.flat());
}

export async function takeSystemSnapshot(): Promise<SystemSnapshot> {
  const links = z
    .array(z.object({ ifname: z.string() }))
    .parse(JSON.parse(await requireCommand('ip', ['-json', 'link'])));
  return {
    mounts: lines(await readFile('/proc/self/mountinfo', 'utf8')),
    links: new Set(links.map(({ ifname }) => ifname)),
    routes: lines(await requireCommand('ip', ['route', 'show', 'table', 'all'])),
    cgroups: new Set(await findDirectories('/sys/fs/cgroup')),
    // Without the comments, which carry the time.
    firewallRules: lines((await requireCommand('iptables-save', [])).replaceAll(/^#.*$/gm, '')),
    networkNamespaces: await networkNamespaces(),
    files: await traces(),
  };
}

/** All things of a snapshot, each prefixed by its kind. */
export function listThings(snapshot: SystemSnapshot): Set<string> {
  return new Set(
    Object.entries(snapshot as Record<keyof SystemSnapshot, ReadonlySet<string>>).flatMap(([kind, things]) =>
      [...things].map((thing) => `${kind}: ${thing}`),
    ),
  );
}

/** What is in `later` and was not in `earlier`, each prefixed by its kind. */
export function findAdditions(earlier: SystemSnapshot, later: SystemSnapshot): string[] {
  const known = listThings(earlier);
  return [...listThings(later)].filter((thing) => !known.has(thing));
}
