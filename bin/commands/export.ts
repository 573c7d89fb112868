import { link, open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { snapshotObject } from '../../lambdas/recovery-points/layout.ts';
import { unpack } from '../../lambdas/recovery-points/unpack.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { PhaseTimer } from '../../lambdas/domain/progress.ts';
import type { ManifestDatastore } from '../../lambdas/domain/recovery-point.ts';
import type { Ports } from '../local/ports.ts';
import { assertWritable } from '../local/private-file.ts';
import type { CommandResult } from './result.ts';

export interface ExportOptions {
  readonly to: string;
  /** Needed only where a control plane has several datastores. */
  readonly datastore: string | undefined;
  readonly force: boolean;
}

/** `lifeboat export <point> --to file.db`: the plain etcd file with its trailer, its hash checked on the way. */
export async function exportSnapshot(ports: Ports, reference: string, options: ExportOptions): Promise<CommandResult> {
  const { address, manifest } = await ports.findPoint(reference);
  const datastore = chooseDatastore(manifest.datastores, options.datastore);
  const target = resolve(options.to);
  await assertWritable(target, options.force);
  // Written beside the target and moved there when whole, so that no half file ever has the name that was asked for.
  const partial = `${target}.partial-${process.pid}`;
  try {
    await using file = await open(partial, 'wx', 0o600);
    await new PhaseTimer(ports.report, ports.now).run(
      'export',
      `${datastore.name} to ${target}`,
      () =>
        unpack(ports.store, snapshotObject(address, datastore), file.createWriteStream(), {
          signal: ports.signal,
          onProgress: (doneBytes, totalBytes) => {
            ports.report({ kind: 'bytes', phase: 'export', doneBytes, totalBytes });
          },
        }),
      () => formatBytes(datastore.sizeBytes),
    );
    if (options.force) await rename(partial, target);
    else await link(partial, target);
  } catch (error) {
    throw explain(error, target);
  } finally {
    await rm(partial, { force: true });
  }
  const { name, revision, sizeBytes, sha256 } = datastore;
  return {
    json: { id: address.id, datastore: name, file: target, revision, sizeBytes, sha256 },
    text: `${target}: ${formatBytes(sizeBytes)} at revision ${revision}, sha256 ${sha256}`,
  };
}

/** The one datastore that is meant; ConfigurationError when that is not clear. */
export function chooseDatastore(
  datastores: readonly ManifestDatastore[],
  wanted: string | undefined,
): ManifestDatastore {
  const names = datastores.map(({ name }) => name).join(', ');
  const chosen = wanted === undefined ? datastores : datastores.filter(({ name }) => name === wanted);
  const [only, ...others] = chosen;
  if (only === undefined || others.length > 0) {
    throw new ConfigurationError(
      only === undefined ? `there is no datastore ${wanted ?? ''}` : 'the recovery point has several datastores',
      { remedy: `Give --datastore with one of: ${names}.` },
    );
  }
  return only;
}

function explain(error: unknown, target: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  if (code === 'EEXIST') {
    return new ConfigurationError(`${target} exists already`, {
      remedy: 'Give another file, or --force to replace it.',
    });
  }
  return new ConfigurationError(`${target} can't be written: ${code ?? 'unknown reason'}`, {
    remedy: 'Check that the directory exists, may be written to, and has room.',
    cause: error,
  });
}
