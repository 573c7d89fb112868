import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatControlPlaneName, parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { ConfigurationError, CorruptSnapshotError } from '../../lambdas/domain/errors.ts';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { operationName } from '../../lambdas/domain/operation.ts';
import { stagedKey, stagingPrefix } from '../../lambdas/domain/staging.ts';
import {
  parseNewHostedCluster,
  refusePresentHostedCluster,
  refuseUnfitUrl,
  type NewHostedCluster,
} from '../../lambdas/platforms/hypershift/restore-snapshot-url.ts';
import { snapshotObject } from '../../lambdas/recovery-points/layout.ts';
import { choosePoint } from '../../lambdas/restores/choose-point.ts';
import { removeStagedKeys, stageSnapshot } from '../../lambdas/restores/staging.ts';
import type { CataloguedPoint } from '../../lambdas/store/catalogue.ts';
import type { PresignedUrl } from '../../lambdas/store/object-store.ts';
import type { Ports } from '../local/ports.ts';
import { assertWritable } from '../local/private-file.ts';
import { chooseDatastore } from './export.ts';
import { chosenPoint, type PointChoice } from './point-choice.ts';
import type { CommandResult } from './result.ts';

/** After a day a lifecycle rule of the bucket removes what was staged. */
const LONGEST_HOURS = 24;
const OPERATION = /^stage-[0-9a-z-]+$/;

export interface StageOptions extends PointChoice {
  /** Needed only where a control plane has several datastores. */
  readonly datastore: string | undefined;
  readonly hours: string;
  readonly hostedCluster?: string;
  readonly to?: string;
  readonly etcdInitFormsOneCluster: boolean;
  readonly remove?: string;
}

/**
 * `lifeboat stage <control plane>`: puts the plain file of a recovery point where a pre-signed URL leads, for a control plane
 * that is going to be created from it. The URL is a key to every Secret of the control plane until it ends.
 */
export async function stage(ports: Ports, controlPlane: string, options: StageOptions): Promise<CommandResult> {
  const name = parseControlPlaneName(controlPlane);
  if (options.remove !== undefined) return await unstage(ports, options.remove);
  const seconds = secondsOf(options.hours);
  const target = await targetOf(options);
  const point = await choosePoint(name, chosenPoint(options), ports);
  refuseUnproven(point);
  const datastore = chooseDatastore(point.manifest.datastores, options.datastore);
  const operation = operationName('stage', ports.clock(), ports.random);
  const key = stagedKey(operation, datastore.name);
  const sign = async () => {
    const signed = await ports.store.presign(key, seconds);
    if (target !== undefined) refuseUnfitUrl(signed.url, target.hostedCluster, signed.temporaryCredentials);
    return signed;
  };
  // Whether it can be signed and is short enough is known before anything is written.
  await sign();
  if (target !== undefined) {
    const { api } = await ports.connect(name.managementCluster);
    await refusePresentHostedCluster(api, target.hostedCluster, name.managementCluster);
  }
  try {
    await stageSnapshot(operation, datastore.name, snapshotObject(point.address, datastore), ports);
    const signed = await sign();
    if (target !== undefined) await writeManifest(target.file, target.hostedCluster.withRestoreUrl(signed.url));
    const { sizeBytes, sha256 } = datastore;
    return {
      json: {
        ...{ operation, id: point.address.id, datastore: datastore.name, url: signed.url.reveal() },
        ...{ expiresAt: signed.expiresAt.toISOString(), temporaryCredentials: signed.temporaryCredentials },
        ...{ sizeBytes, sha256, manifest: target?.file ?? null },
      },
      text: [
        signed.url.reveal(),
        `etcd of ${formatControlPlaneName(name)}, recovery point ${point.address.id}: ${formatBytes(sizeBytes)} (${sizeBytes} bytes), sha256 ${sha256}`,
        describeEnd(signed),
        ...(target === undefined
          ? []
          : [`${target.file}: HostedCluster with restoreSnapshotURL; create it before then`]),
        `remove it: lifeboat stage ${controlPlane} --remove ${operation}; else the bucket's lifecycle rule does after a day, if it has one`,
      ].join('\n'),
    };
  } catch (error) {
    await removeStagedKeys(operation, [key], ports.store);
    throw error;
  }
}

async function unstage(ports: Ports, operation: string): Promise<CommandResult> {
  if (!OPERATION.test(operation)) {
    throw new ConfigurationError(`"${operation}" is not what "lifeboat stage" has given a name`, {
      remedy: 'Give the name that it printed, such as stage-20260102t030405z-a1b2; a restore removes its own files.',
    });
  }
  const keys: string[] = [];
  for await (const { key } of ports.store.list(stagingPrefix(operation))) keys.push(key);
  await removeStagedKeys(operation, keys, ports.store);
  return {
    json: { operation, removed: keys },
    text: keys.length === 0 ? 'nothing is staged' : `${operation} is removed`,
  };
}

interface Target {
  readonly hostedCluster: NewHostedCluster;
  readonly file: string;
}

/** undefined where only the URL is wanted. */
async function targetOf(options: StageOptions): Promise<Target | undefined> {
  const { hostedCluster, to, etcdInitFormsOneCluster: formsOneCluster } = options;
  if (hostedCluster === undefined && to === undefined) return undefined;
  if (hostedCluster === undefined || to === undefined) {
    throw new ConfigurationError('--hosted-cluster and --to belong together', {
      remedy: 'Give the manifest with --hosted-cluster, and the file for the one with the URL in it with --to.',
    });
  }
  const text = await readFile(hostedCluster, 'utf8').catch((cause: unknown) => {
    throw fileError(hostedCluster, 'read', cause);
  });
  await assertWritable(resolve(to), false);
  return {
    hostedCluster: parseNewHostedCluster(text, { source: hostedCluster, formsOneCluster }),
    file: resolve(to),
  };
}

async function writeManifest(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw fileError(file, 'written', cause);
  }
}

function fileError(file: string, verb: string, cause: unknown): ConfigurationError {
  const { code } = cause as NodeJS.ErrnoException;
  return new ConfigurationError(`${file} can't be ${verb}: ${code ?? 'unknown reason'}`, {
    remedy: code === 'EEXIST' ? 'It exists already; give another file.' : 'Check its path and who may use it.',
    cause,
  });
}

function secondsOf(hours: string): number {
  const seconds = Math.round(Number(hours) * 3600);
  if (seconds >= 1 && seconds <= LONGEST_HOURS * 3600) return seconds;
  throw new ConfigurationError(`"${hours}" hours is no time for which a file can be staged`, {
    remedy: `Give more than 0 and at most ${LONGEST_HOURS} with --hours; what is staged is removed after a day.`,
  });
}

function refuseUnproven({ address, verdict }: CataloguedPoint): void {
  if (verdict === 'verified') return;
  throw new CorruptSnapshotError(
    verdict === 'refused'
      ? `a proof of recovery point ${address.id} was refused: its bytes are not right`
      : `recovery point ${address.id} is not verified yet`,
    { remedy: `"lifeboat verify ${address.id}" reads it back; "lifeboat list" shows the other points.` },
  );
}

function describeEnd({ expiresAt, temporaryCredentials }: PresignedUrl): string {
  const until = `until ${expiresAt.toISOString()}`;
  return temporaryCredentials
    ? `${until}, or sooner if the session of the credentials that signed it ends before`
    : until;
}
