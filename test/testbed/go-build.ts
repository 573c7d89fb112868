import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TestbedError } from './errors.ts';
import { runCommand } from './command.ts';
import type { Report } from './progress.ts';

const OLDEST_GO = { major: 1, minor: 26 };

/** What decides how long a cold build takes; what comes out of it is decided by {@link buildFlags}. */
const BUILD_ENVIRONMENT = {
  CGO_ENABLED: '0',
  // The version is checked below; without this, go would quietly download another toolchain.
  GOTOOLCHAIN: 'local',
  // Measured on etcd's modules: rarer garbage collection in the compiler and no debug information (which the linker
  // would drop anyway, see buildFlags) save 22 % of the processor time.
  GOGC: '800',
} as const;

/** The flags of a module's build, by the text of its go.mod: part of the cache's key. */
export function buildFlags(goMod: string): string[] {
  const linkerFlags = ['-s', '-w'];
  // Upstream's release build writes the version in; without it, API server and node call themselves v0.0.0-master.
  const version = /^\s*k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)$/m.exec(goMod);
  if (version !== null) {
    const [, full, major, minor] = version;
    for (const [name, value] of Object.entries({ gitVersion: full, gitMajor: major, gitMinor: minor })) {
      linkerFlags.push('-X', `k8s.io/component-base/version.${name}=${value}`);
    }
  }
  // Not with -trimpath: packages of a replaced module would then carry the version that was replaced, and what CoreDNS
  // shares with Kubernetes would be compiled twice.
  return ['-buildvcs=false', '-gcflags=all=-dwarf=false', `-ldflags=${linkerFlags.join(' ')}`];
}

const REPORT_EVERY_MILLISECONDS = 10_000;
/** A cold build takes minutes; one that takes this long hangs. */
const BUILD_TIMEOUT_MILLISECONDS = 45 * 60 * 1000;

/** Throws TestbedError when `go` is missing or too old for the modules. */
export async function requireGo(): Promise<void> {
  const wanted = `Go ${OLDEST_GO.major}.${OLDEST_GO.minor} or later`;
  const remedy = `Install ${wanted} (https://go.dev/dl) and put its bin directory on PATH.`;
  let version: string;
  try {
    version = (await runCommand('go', ['env', 'GOVERSION'], { env: { ...process.env, ...BUILD_ENVIRONMENT } })).stdout;
  } catch (cause) {
    throw new TestbedError(`The test bed is built from Go modules, and "go" is not on PATH`, { remedy, cause });
  }
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) < OLDEST_GO.major || (Number(major) === OLDEST_GO.major && Number(minor) < OLDEST_GO.minor)) {
    throw new TestbedError(`The test bed needs ${wanted}, and "go" on PATH is ${version.trim()}`, { remedy });
  }
}

export interface ModuleBuild {
  /** Directory with go.mod. */
  readonly source: string;
  /** The program is written here. */
  readonly output: string;
  /** Begins every line of progress. */
  readonly label: string;
  readonly report: Report;
}

/** Builds a module's program, saying every ten seconds how far it is; TestbedError carries the end of go's output. */
export async function buildModule({ source, output, label, report }: ModuleBuild): Promise<void> {
  const started = performance.now();
  const elapsed = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
  const lastLines: string[] = [];
  let downloads = 0;
  let packages = 0;
  report(`${label}: building from Go modules (first use only)`);
  // -v prints a line for each package compiled, and downloads are announced anyway: that is the progress.
  const goMod = await readFile(join(source, 'go.mod'), 'utf8');
  // A module without a program of its own names somebody else's as its tool.
  const [, program = '.'] = /^tool (\S+)$/m.exec(goMod) ?? [];
  const child = spawn('go', ['build', '-v', ...buildFlags(goMod), '-o', output, program], {
    cwd: source,
    env: { ...process.env, ...BUILD_ENVIRONMENT },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_TIMEOUT_MILLISECONDS,
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('go: downloading ')) downloads += 1;
    else {
      packages += 1;
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
    }
  });
  const progress = setInterval(() => {
    report(`${label}: ${elapsed()}, ${downloads} modules downloaded, ${packages} packages compiled`);
  }, REPORT_EVERY_MILLISECONDS);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) {
      throw new TestbedError(`Building ${source} failed after ${elapsed()}:\n${lastLines.join('\n')}`, {
        remedy: `Run "go build ." there to see everything that go says.`,
      });
    }
  } finally {
    clearInterval(progress);
  }
  report(`${label}: built in ${elapsed()} (${packages} packages)`);
}
