import { access, mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBinaries } from './binaries.ts';
import { TestbedError } from './errors.ts';
import { ensureImageArchives } from './images.ts';
import { withLock } from './lock.ts';
import { ManagementCluster, removeManagementCluster } from './management-cluster.ts';
import { ensurePrerequisites, findObstacle } from './prerequisites.ts';
import type { Report } from './progress.ts';
import { S3Server } from './s3.ts';
import { startManagementCluster, type ManagementClusterOptions } from './start-management-cluster.ts';

/** The bed of a person who names none. */
export const DEFAULT_INSTANCE = 'default';

/** How many management clusters a bed can have, and what they are called in order. */
const CLUSTER_NAMES = ['mgmt-a', 'mgmt-b'] as const;
export type ClusterCount = 1 | 2;

const ROOT = '/var/lib/lifeboat-testbed';
// Names are parts of socket paths, which the kernel cuts off at 108 characters.
const INSTANCE_NAME = /^[a-z0-9][-a-z0-9]{0,19}$/;

function bedDirectory(instance: string): string {
  if (!INSTANCE_NAME.test(instance)) {
    throw new TestbedError(`"${instance}" cannot name a bed`, {
      remedy: 'Use up to 20 lower-case letters, digits and "-", beginning with a letter or digit.',
    });
  }
  return join(ROOT, instance);
}

const s3Directory = (directory: string): string => join(directory, 's3');

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function findClusterDirectories(directory: string): Promise<string[]> {
  const directories = CLUSTER_NAMES.map((name) => join(directory, name));
  const found = await Promise.all(directories.map((path) => exists(join(path, 'cluster.json'))));
  return directories.filter((_, index) => found[index]);
}

/** Serialises everything that starts or ends parts of one bed, across processes. */
async function withBedLock<T>(instance: string, report: Report, work: () => Promise<T>): Promise<T> {
  return withLock(
    `/run/lifeboat-testbed-${instance}.lock`,
    () => {
      report(`Another process is starting or ending the bed "${instance}", waiting`);
    },
    work,
  );
}

/** A running bed: management clusters and an S3, under a name. Any process may hold such a handle. */
export interface Bed {
  readonly instance: string;
  /** One or two, in the order of {@link CLUSTER_NAMES}. */
  readonly clusters: readonly [ManagementCluster, ...ManagementCluster[]];
  readonly s3: S3Server;
}

/** The handle of a bed that runs, whoever started it. */
export async function attachBed(instance: string): Promise<Bed> {
  const directory = bedDirectory(instance);
  const [first, ...others] = await Promise.all(
    (await findClusterDirectories(directory)).map((path) => ManagementCluster.attach(path)),
  );
  if (first === undefined) {
    throw new TestbedError(`No bed "${instance}" runs`, {
      remedy: `Start it: npm run testbed -- up --instance ${instance}.`,
    });
  }
  return { instance, clusters: [first, ...others], s3: await S3Server.attach(s3Directory(directory)) };
}

/** The cluster if it is there and healthy; what is left of one that is not is removed first and started anew. */
async function ensureCluster(options: ManagementClusterOptions): Promise<void> {
  const { name, stateDirectory, report } = options;
  if (await exists(join(stateDirectory, 'cluster.json'))) {
    const faults = await ManagementCluster.attach(stateDirectory).then(
      (cluster) => cluster.findFaults(),
      () => ['it does not run'],
    );
    if (faults.length === 0) {
      report(`${name}: runs already`);
      return;
    }
    report(`${name}: starting anew, because ${faults.join(', ')}`);
    await removeManagementCluster(stateDirectory);
  }
  await startManagementCluster(options);
}

async function ensureS3(directory: string, program: string, report: Report): Promise<void> {
  if (await exists(join(directory, 's3.json'))) {
    const server = await S3Server.attach(directory);
    report((await server.isRunning()) ? 'S3: runs already' : 'S3: starting again, with its data');
    await server.start();
  } else {
    const { endpoint } = await S3Server.create(directory, program);
    report(`S3: answers at ${endpoint}`);
  }
}

export interface UpOptions {
  readonly instance: string;
  readonly clusters: ClusterCount;
  readonly report: Report;
}

/**
 * Brings a bed up, whatever of it runs already: programs built, packages installed, clusters and S3 started. Clusters
 * beyond the asked number are left as they are.
 */
export async function upBed({ instance, clusters, report }: UpOptions): Promise<Bed> {
  const directory = bedDirectory(instance);
  const obstacle = await findObstacle();
  if (obstacle !== undefined) throw new TestbedError(`The test bed cannot run here: ${obstacle}`);
  await ensurePrerequisites(report);
  const binaries = await ensureBinaries(report);
  const images = await ensureImageArchives(binaries, report);
  return withBedLock(instance, report, async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const starts = [
      ensureS3(s3Directory(directory), binaries.versitygw, report),
      ...CLUSTER_NAMES.slice(0, clusters).map((name) =>
        ensureCluster({ name, stateDirectory: join(directory, name), binaries, images, report }),
      ),
    ];
    // Settled and not raced: nothing may still be starting when the lock is let go.
    const failures = (await Promise.allSettled(starts)).flatMap((start) =>
      start.status === 'rejected' ? [start.reason as unknown] : [],
    );
    if (failures.length > 0) throw failures[0];
    return attachBed(instance);
  });
}

/** Ends a bed and removes all it left, from what it recorded; false when there was none. */
export async function downBed(instance: string, report: Report): Promise<boolean> {
  const directory = bedDirectory(instance);
  if (!(await exists(directory))) return false;
  await withBedLock(instance, report, async () => {
    const clusters = await findClusterDirectories(directory);
    await Promise.all([
      ...clusters.map((path) => removeManagementCluster(path)),
      exists(join(s3Directory(directory), 's3.json')).then(async (isThere) => {
        if (isThere) await (await S3Server.attach(s3Directory(directory))).stop();
      }),
    ]);
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
    await rmdir(ROOT).catch(() => undefined);
  });
  report(`The bed "${instance}" is gone`);
  return true;
}
