import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { exitOf, type CommandOutcome, type Workspace } from '../../suite/lifeboat.ts';
import type { Bed } from '../../testbed/bed.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';
import { requireCommand, runCommand } from '../../testbed/command.ts';
import { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import {
  createBucket,
  plantHostedCluster,
  retireHostedCluster,
  s3Workspace,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'staged';

interface Staged {
  readonly operation: string;
  readonly url: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly expiresAt: string;
}

let bed: Bed;
let cluster: ManagementCluster;
let origin: HostedCluster;
let front: Server;
let authorityFile: string;
let workspace: Workspace;
let controlPlane: string;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
  origin = await plantHostedCluster(cluster, {
    namespace: NAMESPACE,
    name: 'origin',
    members: 1,
    etcdVersion: '3.6.5',
  });
  controlPlane = `${cluster.name}/${NAMESPACE}/origin`;
  const authority = createAuthority('S3 of the bed');
  front = await startTlsFront(
    bed,
    cluster.network.hostAddress,
    issueCertificate(authority, {
      commonName: 's3',
      ipAddresses: [cluster.network.hostAddress],
    }),
  );
  const { port } = front.address() as AddressInfo;
  const endpoint = `https://${cluster.network.hostAddress}:${port}`;
  workspace = await s3Workspace(bed, await createBucket(bed, 'stage'), { endpoint });
  authorityFile = join(workspace.directory, 'authority.crt');
  await writeFile(authorityFile, authority.certificate);
  // Of the command line, which this process starts.
  process.env['NODE_EXTRA_CA_CERTS'] = authorityFile;
  await origin.kubectl(['create', 'namespace', 'shop']);
  await workspace.json(['backup', controlPlane]);
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  delete process.env['NODE_EXTRA_CA_CERTS'];
  await workspace.remove();
  front.close();
  await retireHostedCluster(origin);
}, SETUP_TIMEOUT_MILLISECONDS);

/** The bed's S3 by TLS, where pods can reach it: the platform takes no other URLs. */
async function startTlsFront(
  { s3 }: Bed,
  address: string,
  { certificate, key }: { readonly certificate: string; readonly key: string },
): Promise<Server> {
  const port = Number(new URL(s3.endpoint).port);
  // What busybox's own TLS can speak, in place of the curl of the real image.
  const spoken = { ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1.2' } as const;
  const server = createServer({ cert: certificate, key, ...spoken }, (client) => {
    const upstream = connect(port, '127.0.0.1');
    pipeline(client, upstream, client, () => undefined);
  }).listen(0, address);
  await once(server, 'listening');
  return server;
}

/** Runs `lifeboat stage`, whose output is a URL that nobody else may see: it is not kept for the search of secrets. */
async function stage(...args: string[]): Promise<CommandOutcome> {
  const child = workspace.start(['stage', controlPlane, ...args, '--json'], 'pipe');
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => (text[stream] += chunk));
  }
  return { exitCode: await exitOf(child), ...text };
}

async function staged(...args: string[]): Promise<Staged> {
  const { exitCode, stdout, stderr } = await stage(...args);
  expect({ exitCode, told: stderr.includes('X-Amz-') }).toEqual({ exitCode: 0, told: false });
  return JSON.parse(stdout) as Staged;
}

async function manifestFile(name: string): Promise<string> {
  const { spec } = JSON.parse(
    await requireCommand(cluster.kubectlPath, [
      ...['get', 'hostedcluster', '-n', NAMESPACE, 'origin', '-o', 'json', '--kubeconfig', cluster.kubeconfigPath],
    ]),
  ) as { spec: object };
  const file = join(workspace.directory, `${name}.yaml`);
  const { apiVersion, kind } = { apiVersion: 'hypershift.openshift.io/v1beta1', kind: 'HostedCluster' };
  const metadata = { name, namespace: NAMESPACE };
  await writeFile(file, stringify({ apiVersion, kind, metadata, spec: { ...spec, infraID: `${name}-1a2b3` } }));
  return file;
}

describe('lifeboat stage', () => {
  it('prints a URL by which anybody downloads the plain file, until it is removed', async () => {
    const { operation, url, sizeBytes, sha256, expiresAt } = await staged('--latest-verified', '--hours', '1');
    const file = join(workspace.directory, 'downloaded.db');
    const download = ['--cacert', authorityFile, '-fsS', '-o', file, url];
    await requireCommand('curl', download);
    const bytes = await readFile(file);
    expect({ sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }).toEqual({
      sizeBytes,
      sha256,
    });
    expect(Date.parse(expiresAt)).toBeGreaterThan(0);
    expect(await workspace.json(['stage', controlPlane, '--remove', operation])).toMatchObject({
      removed: [`staging/${operation}/etcd-main.db`],
    });
    expect((await runCommand('curl', download)).stderr).toContain('404');
  }, 120_000);

  it('refuses a HostedCluster that is there already, and says what to do instead', async () => {
    const target = join(workspace.directory, 'unused.yaml');
    const { exitCode, stderr } = await stage(
      '--latest-verified',
      '--hosted-cluster',
      await manifestFile('origin'),
      '--to',
      target,
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`lifeboat restore ${controlPlane}`);
    await expect(stat(target)).rejects.toThrow('ENOENT');
  }, 120_000);

  it('makes a manifest from which a new HostedCluster comes up with the data of the point', async () => {
    const target = join(workspace.directory, 'copy-with-url.yaml');
    const { operation } = await staged(
      '--latest-verified',
      '--hosted-cluster',
      await manifestFile('copy'),
      '--to',
      target,
    );
    expect(((await stat(target)).mode & 0o777).toString(8)).toBe('600');
    await requireCommand(cluster.kubectlPath, ['create', '-f', target, '--kubeconfig', cluster.kubeconfigPath]);
    const copy = new HostedCluster(cluster, NAMESPACE, 'copy');
    try {
      await copy.waitUntilReady();
      expect(await copy.kubectl(['get', 'namespaces', '-o', 'name'])).toContain('namespace/shop');
    } finally {
      await retireHostedCluster(copy);
      await workspace.json(['stage', controlPlane, '--remove', operation]);
    }
  }, 300_000);
});
