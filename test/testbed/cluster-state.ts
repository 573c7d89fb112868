import { renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { binariesSchema } from './binaries.ts';
import { clusterNetworkSchema } from './network.ts';
import { processRecordSchema } from './process.ts';

/**
 * What is known of a management cluster, kept in `cluster.json` of its state directory, so that another process can use
 * or end it. Written before and after every step of a start: a start that was cut off can be cleaned up as well.
 */
const clusterStateSchema = z.object({
  name: z.string(),
  stateDirectory: z.string(),
  binaries: binariesSchema,
  anchor: processRecordSchema.optional(),
  network: clusterNetworkSchema.optional(),
  /** By component name; only what runs directly in the enclosure. */
  processes: z.record(z.string(), processRecordSchema),
});
export type ClusterState = z.infer<typeof clusterStateSchema>;

const statePath = (stateDirectory: string): string => join(stateDirectory, 'cluster.json');

export async function readClusterState(stateDirectory: string): Promise<ClusterState> {
  return clusterStateSchema.parse(JSON.parse(await readFile(statePath(stateDirectory), 'utf8')));
}

/**
 * Written aside and renamed, so that a reader never sees half a file; synchronous, so that of the components that start
 * side by side none overwrites a newer state with an older one.
 */
export function writeClusterState(state: ClusterState): void {
  const path = statePath(state.stateDirectory);
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(unfinished, path);
}
