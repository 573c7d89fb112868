import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { preparationPod, swapPod, type SwapPlan } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { commandOf, installedEtcd, memberOf, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import { runCommand, type CommandResult } from '../../testbed/command.ts';

export const BUSYBOX = '/bin/busybox';
export const OWN = `lifeboat-${OPERATION}`;
export const SNAPSHOT = Buffer.from('a snapshot');

/** What is on a volume: files by path with their content, empty directories with a slash at the end. */
export type Volume = Readonly<Record<string, string>>;
export type Step = SwapPlan['action'] | 'fetch' | 'finish';

/** The data of an etcd, as far as the scripts look. */
export function dataOf(directory: string, content: string): Volume {
  return { [`${directory}/member/snap/db`]: content, [`${directory}/member/wal/0.wal`]: content };
}

/** The part of a volume below a directory, with paths relative to it. */
export function below(volume: Volume, directory: string): Volume {
  const prefix = `${directory}/`;
  const inside = Object.entries(volume).filter(([path]) => path.startsWith(prefix));
  return Object.fromEntries(inside.map(([path, content]) => [path.slice(prefix.length), content]));
}

export const AT_WORK = `${OWN}/at-work/`;
let podsMade = 0;

/** The variables of a new pod, to which pods are named that are over. */
export function podEnvironment(over: readonly string[] = []): NodeJS.ProcessEnv {
  podsMade += 1;
  return { PATH: process.env['PATH'], POD_NAME: 'pod', POD_UID: `uid${podsMade}`, PODS_OVER: over.join(' ') };
}

/** Uids of the pods that have left a volume without saying so. */
export function leftAtWork(volume: Volume): string[] {
  return Object.keys(volume).flatMap((path) => /\/at-work\/\w+\.pod\.(\w+)\./.exec(path)?.[1] ?? []);
}

/** A volume without the traces of those that were at work on it. */
export function withoutTraces(volume: Volume): Volume {
  return Object.fromEntries(Object.entries(volume).filter(([path]) => !path.startsWith(AT_WORK) && path !== `${OWN}/`));
}

/** Functions of the scripts that change something; the others decide and print, and are called by lines that change something. */
const CHANGING = ['claim', 'release'];

/** A script that calls `tick`, which is defined by a prelude, before each of its commands, on request also in functions. */
export function withTicks(
  command: readonly string[],
  prelude: string,
  ticking: readonly string[] = CHANGING,
): string[] {
  const [shell = '', flags = '', script = '', ...args] = command;
  const isCommand = /^\s*(?!(fi|else|then|done)\b|\}|#|\w+\(\) \{|$)/;
  let inFunction = false;
  const lines = script.split('\n').map((line) => {
    const begun = /^(\w+)\(\) \{$/.exec(line)?.[1];
    if (begun !== undefined) inFunction = !ticking.includes(begun);
    if (line === '}') inFunction = false;
    return isCommand.test(line) && !inFunction ? line.replace(/^\s*/, '$&tick; ') : line;
  });
  return [shell, flags, `${prelude}\n${lines.join('\n')}`, ...args];
}

export function isSame(a: Volume, b: Volume): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A temporary directory in the place of a volume, new for each test, on which the scripts of helper pods run. */
export function useScriptVolume(dataDirectory: () => string = () => 'data') {
  let mountPath: string;

  beforeEach(async () => {
    mountPath = await mkdtemp(join(tmpdir(), 'lifeboat-volume-'));
  });
  afterEach(async () => {
    await rm(mountPath, { recursive: true, force: true });
  });

  async function readVolume(directory = mountPath, prefix = ''): Promise<Volume> {
    const entries = await readdir(directory, { withFileTypes: true });
    const parts = await Promise.all(
      entries.map(async (entry): Promise<Volume> => {
        const path = join(directory, entry.name);
        if (!entry.isDirectory()) return { [`${prefix}${entry.name}`]: await readFile(path, 'utf8') };
        const inside = await readVolume(path, `${prefix}${entry.name}/`);
        return Object.keys(inside).length === 0 ? { [`${prefix}${entry.name}/`]: '' } : inside;
      }),
    );
    const files = Object.assign({}, ...parts) as Volume;
    return Object.fromEntries(Object.entries(files).sort(([a], [b]) => a.localeCompare(b)));
  }

  async function writeVolume(volume: Volume): Promise<void> {
    await rm(mountPath, { recursive: true, force: true });
    await mkdir(mountPath);
    for (const [path, content] of Object.entries(volume)) {
      const isDirectory = path.endsWith('/');
      await mkdir(join(mountPath, isDirectory ? path : dirname(path)), { recursive: true });
      if (!isDirectory) await writeFile(join(mountPath, path), content);
    }
  }

  /** The command of a pod's container, with the temporary directory in the place of the volume. */
  function commandOfStep(step: Step, input: 'file' | 'url' = 'file'): readonly string[] {
    const installation = installedEtcd(1, { mountPath, dataDirectory: dataDirectory() });
    const plan = {
      operation: OPERATION,
      sizeBytes: SNAPSHOT.length,
      sha256: createHash('sha256').update(SNAPSHOT).digest('hex'),
      clusterToken: 'token',
      bump: 1,
      etcdVersion: '3.6.5',
      input,
    };
    return step === 'fetch' || step === 'finish'
      ? commandOf(preparationPod(installation, memberOf(installation), plan), step)
      : commandOf(
          swapPod(installation, memberOf(installation), { operation: OPERATION, action: step, isCopied: true }),
          step,
        );
  }

  async function run(
    step: Step,
    input: Uint8Array = SNAPSHOT,
    variables: NodeJS.ProcessEnv = {},
  ): Promise<CommandResult> {
    const env = { ...podEnvironment(leftAtWork(await readVolume())), ...variables };
    return runCommand(BUSYBOX, commandOfStep(step), { input, env });
  }

  return { mountPath: () => mountPath, readVolume, writeVolume, commandOfStep, run };
}
