import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readClusterState } from '../cluster-state.ts';
import { TestbedError } from '../errors.ts';
import { withLock } from '../lock.ts';
import type { ManagementCluster } from '../management-cluster.ts';
import { isRunning, processRecordSchema, startDetached, stopProcess, type ProcessRecord } from '../process.ts';

const CRD_DIRECTORY = join(import.meta.dirname, 'crds');
const HYPERSHIFT_CRDS = join(CRD_DIRECTORY, 'hypershift.yaml');
const MACHINE_API_CRDS = join(CRD_DIRECTORY, 'cluster-api.yaml');

export interface HyperShiftOptions {
  /** Whether Cluster API and its AWS provider are there as well. Default: true. */
  readonly machineApi?: boolean;
}

const recordPath = (cluster: ManagementCluster): string => join(cluster.stateDirectory, 'hypershift-twin.json');

async function readRecord(cluster: ManagementCluster): Promise<ProcessRecord | undefined> {
  const text = await readFile(recordPath(cluster), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : processRecordSchema.parse(JSON.parse(text));
}

async function startOperator(cluster: ManagementCluster): Promise<void> {
  const { anchor } = await readClusterState(cluster.stateDirectory);
  if (anchor === undefined) throw new TestbedError(`${cluster.name} has no enclosure to run the twin in`);
  const operator = join(import.meta.dirname, 'operator.ts');
  const record = await startDetached({
    name: 'hypershift-twin',
    // In the cluster's process namespace, so that it ends with the cluster; with the host's files, for it is our source.
    command: [
      'nsenter',
      '--target',
      String(anchor.pid),
      '--pid',
      '--',
      process.execPath,
      operator,
      cluster.kubeconfigPath,
    ],
    logPath: join(cluster.stateDirectory, 'logs', 'hypershift-twin.log'),
    recordsChild: true,
  });
  await writeFile(recordPath(cluster), JSON.stringify(record));
}

/** Puts the HyperShift-shaped platform on a management cluster: CRDs and the running twin. Safe to repeat. */
export async function installHyperShift(
  cluster: ManagementCluster,
  { machineApi = true }: HyperShiftOptions = {},
): Promise<void> {
  const lock = join(cluster.stateDirectory, 'hypershift-twin.lock');
  await withLock(
    lock,
    () => undefined,
    async () => {
      const files = machineApi ? [HYPERSHIFT_CRDS, MACHINE_API_CRDS] : [HYPERSHIFT_CRDS];
      const fileArguments = files.flatMap((file) => ['--filename', file]);
      await cluster.kubectl(['apply', ...fileArguments]);
      await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...fileArguments]);
      const record = await readRecord(cluster);
      if (record === undefined || !(await isRunning(record))) await startOperator(cluster);
    },
  );
}

/** Ends the twin: nobody reconciles any more until {@link installHyperShift} starts it again. */
export async function stopOperator(cluster: ManagementCluster): Promise<void> {
  const record = await readRecord(cluster);
  if (record !== undefined) await stopProcess(record);
}
