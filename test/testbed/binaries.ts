import { createHash } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import * as z from 'zod';
import { cacheDirectory } from './cache.ts';
import { TestbedError } from './errors.ts';
import { buildFlags, buildModule, requireGo } from './go-build.ts';
import { withLock } from './lock.ts';
import type { Report } from './progress.ts';

/** A directory with ready binaries named as the modules are, instead of a build. */
const BINARIES_VARIABLE = 'LIFEBOAT_TESTBED_BINARIES';

/** The Go modules under `modules/`; each gives one program of the same name. */
const MODULES = ['kubernetes', 'etcd35', 'coredns', 'versitygw'] as const;
type ModuleName = (typeof MODULES)[number];

const ETCD_PARTS = ['etcd', 'etcdctl', 'etcdutl'] as const;
/** What the program `kubernetes` can be called as. */
export const KUBERNETES_PARTS = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'kubectl',
  ...ETCD_PARTS,
] as const;
/** What the program `etcd35` can be called as. */
export const ETCD35_PARTS = ETCD_PARTS;

export const binariesSchema = z.object({
  /** Kubernetes 1.35 and etcd 3.6.5 in one program; its first argument or argv[0] names the part. */
  kubernetes: z.string(),
  /** etcd 3.5.21, likewise. */
  etcd35: z.string(),
  coredns: z.string(),
  versitygw: z.string(),
  /** Directory with a link for each of {@link KUBERNETES_PARTS}: etcd, etcdctl and etcdutl here are 3.6.5. */
  kubernetesParts: z.string(),
  /** Directory with etcd, etcdctl and etcdutl 3.5.21. */
  etcd35Parts: z.string(),
  /** Differs as soon as one of the programs differs; part of the name of everything derived from them. */
  fingerprint: z.string(),
});
export type Binaries = Readonly<z.infer<typeof binariesSchema>>;

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/** First 16 hex digits of the SHA-256 over what decides a module's build: its files by name and content, and the flags. */
async function hashModule(directory: string): Promise<string> {
  const hash = createHash('sha256');
  const names = (await readdir(directory)).filter((name) => /^go\.(mod|sum)$|\.go$/.test(name));
  for (const name of names.sort())
    hash
      .update(`${name}\0`)
      .update(await readFile(join(directory, name)))
      .update('\0');
  for (const flag of buildFlags(await readFile(join(directory, 'go.mod'), 'utf8'))) hash.update(`${flag}\0`);
  return hash.digest('hex').slice(0, 16);
}

/** The path of a module's program in the cache, built first when it is not there. */
async function ensureModule(module: ModuleName, position: string, report: Report): Promise<string> {
  const source = join(import.meta.dirname, 'modules', module);
  const directory = join(cacheDirectory(), `${module}-${await hashModule(source)}`);
  const program = join(directory, module);
  if (await exists(program)) return program;
  await requireGo();
  await mkdir(cacheDirectory(), { recursive: true });
  return withLock(
    `${directory}.lock`,
    () => {
      report(`${position} ${module}: another process is building it, waiting`);
    },
    async () => {
      if (await exists(program)) return program;
      await mkdir(directory, { recursive: true });
      const unfinished = `${program}.building`;
      try {
        await buildModule({ source, output: unfinished, label: `${position} ${module}`, report });
        await rename(unfinished, program);
      } finally {
        await rm(unfinished, { force: true });
      }
      return program;
    },
  );
}

async function findReadyBinaries(directory: string): Promise<Record<ModuleName, string>> {
  const find = async (module: ModuleName): Promise<string> => {
    const path = join(directory, module);
    try {
      await access(path, constants.X_OK);
      return await realpath(path);
    } catch (cause) {
      throw new TestbedError(`${BINARIES_VARIABLE}=${directory} has no executable ${module}`, {
        remedy: `Put ${MODULES.join(', ')} there, or unset ${BINARIES_VARIABLE} to have them built.`,
        cause,
      });
    }
  };
  const [kubernetes, etcd35, coredns, versitygw] = await Promise.all([
    find('kubernetes'),
    find('etcd35'),
    find('coredns'),
    find('versitygw'),
  ]);
  return { kubernetes, etcd35, coredns, versitygw };
}

async function ensurePrograms(report: Report): Promise<Record<ModuleName, string>> {
  const ready = process.env[BINARIES_VARIABLE];
  if (ready !== undefined && ready !== '') return findReadyBinaries(ready);
  // Two at once: while one downloads or links, which takes one core, the other compiles.
  const limit = pLimit(2);
  const builds = await Promise.allSettled(
    MODULES.map((module, index) => limit(() => ensureModule(module, `[${index + 1}/${MODULES.length}]`, report))),
  );
  const programs = builds.map((build) => {
    if (build.status === 'rejected') throw build.reason;
    return build.value;
  });
  const [kubernetes = '', etcd35 = '', coredns = '', versitygw = ''] = programs;
  return { kubernetes, etcd35, coredns, versitygw };
}

async function hashPrograms(programs: Record<ModuleName, string>): Promise<string> {
  const hash = createHash('sha256');
  for (const path of Object.values(programs)) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${path}\0${size}\0${mtimeMs}\0`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** A directory of links named `parts`, all to `program`; made aside and renamed, so that it is never seen half done. */
async function ensureParts(directory: string, program: string, parts: readonly string[]): Promise<string> {
  if (await exists(directory)) return directory;
  const unfinished = `${directory}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  await Promise.all(parts.map((part) => symlink(program, join(unfinished, part))));
  try {
    await rename(unfinished, directory);
  } catch (error) {
    await rm(unfinished, { recursive: true });
    if (!(await exists(directory))) throw error;
  }
  return directory;
}

/**
 * Every program that the test bed runs: from the cache, built into it on first use (minutes, with progress through
 * `report`), or from the directory that LIFEBOAT_TESTBED_BINARIES names. Safe to call from several processes at once.
 */
export async function ensureBinaries(report: Report): Promise<Binaries> {
  const programs = await ensurePrograms(report);
  const fingerprint = await hashPrograms(programs);
  const links = join(cacheDirectory(), `parts-${fingerprint}`);
  await mkdir(links, { recursive: true });
  return {
    ...programs,
    kubernetesParts: await ensureParts(join(links, 'kubernetes'), programs.kubernetes, KUBERNETES_PARTS),
    etcd35Parts: await ensureParts(join(links, 'etcd35'), programs.etcd35, ETCD35_PARTS),
    fingerprint,
  };
}
