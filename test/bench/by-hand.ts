import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { exitOf, type Workspace } from '../suite/lifeboat.ts';
import { requireCommand } from '../testbed/command.ts';
import { etcdPrograms } from '../testbed/etcd.ts';
import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import type { S3Server } from '../testbed/s3.ts';
import { runMeasured } from './measured-run.ts';

const UPLOAD = 'dist/test/bench/programs/upload.js';

/** Milliseconds of each step. */
export interface ByHand {
  readonly save: number;
  readonly compress: number;
  readonly upload: number;
}

/**
 * What an operator does today: `kubectl port-forward`, `etcdctl snapshot save` through it, `zstd`, and an upload of the
 * file to the same S3 in parts of 8 MiB. `zstd` runs as it is typed, at its default level; ours is 1. The forward is open
 * before the clock starts.
 */
export async function backUpByHand(
  hosted: HostedCluster,
  workspace: Workspace,
  { endpoint, region }: S3Server,
  bucket: string,
  key: string,
): Promise<ByHand> {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-by-hand-'));
  const programs = await etcdPrograms('3.6.5');
  const { kubeconfigPath, kubectlPath } = hosted.cluster;
  const target = ['--namespace', hosted.controlPlaneNamespace, 'pod/etcd-0', ':2379'];
  const forward = spawn(kubectlPath, ['--kubeconfig', kubeconfigPath, 'port-forward', ...target], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const port = await forwardedPort(forward.stdout);
    const { ca, certificate, key: privateKey } = await hosted.etcdCredentials();
    const path = (name: string) => join(directory, name);
    await Promise.all([
      writeFile(path('ca.crt'), ca),
      writeFile(path('client.crt'), certificate),
      writeFile(path('client.key'), privateKey, { mode: 0o600 }),
    ]);
    const tls = ['--cacert', path('ca.crt'), '--cert', path('client.crt'), '--key', path('client.key')];
    const save = ['--endpoints', `https://localhost:${port}`, ...tls, 'snapshot', 'save', path('snapshot.db')];
    const packed = path('snapshot.db.zst');
    return {
      save: await timed(requireCommand(join(programs, 'etcdctl'), save, { timeoutSeconds: 300 })),
      compress: await timed(requireCommand('zstd', ['-q', path('snapshot.db'), '-o', packed], { timeoutSeconds: 300 })),
      upload: await timed(runMeasured(workspace.startProgram(UPLOAD, [endpoint, region, bucket, key, packed], 'pipe'))),
    };
  } finally {
    forward.kill();
    await exitOf(forward);
    await rm(directory, { recursive: true });
  }
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

/** The port in `Forwarding from 127.0.0.1:<port> -> 2379`. */
async function forwardedPort(output: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface({ input: output })) {
    const [, port] = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line) ?? [];
    if (port !== undefined) return Number(port);
  }
  throw new Error('kubectl port-forward ended before it had a port');
}
