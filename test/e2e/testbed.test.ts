import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { attachBed, downBed, upBed, type Bed } from '../testbed/bed.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { waitFor } from '../testbed/waiting.ts';
import { findAdditions, listProcesses, listThings, readNamespace, takeSystemSnapshot } from './system-snapshot.ts';

const log: string[] = [];
const report = (line: string): void => {
  log.push(line);
};

/** Starts a bed of two clusters and prints how long that took, which depends on the machine and is not judged. */
async function upWithTimes(instance: string): Promise<Bed> {
  const started = performance.now();
  const bed = await upBed({ instance, clusters: 2, report });
  console.log(`two management clusters and S3 were up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return bed;
}

const container = (command: string): object => ({
  name: 'main',
  image: 'busybox:bed',
  imagePullPolicy: 'Never',
  command: ['sh', '-c', command],
});

const WEB = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'pages' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        containers: [
          {
            ...container('echo a page > /pages/index.html; exec httpd -f -p 80 -h /pages'),
            volumeMounts: [{ name: 'pages', mountPath: '/pages' }],
          },
        ],
        volumes: [{ name: 'pages', persistentVolumeClaim: { claimName: 'pages' } }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'visitor' },
      spec: { containers: [container('exec sleep 2147483647')] },
    },
  ],
};

async function startPods(cluster: ManagementCluster): Promise<void> {
  await cluster.kubectl(['apply', '--filename', '-'], { input: JSON.stringify(WEB) });
  await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'pod/web', 'pod/visitor'], {
    timeoutSeconds: 70,
  });
}

/** What an HTTP server on a cluster's network answers to the host; polled, for a Service's rules come with a delay. */
async function fetchText(url: string): Promise<string> {
  return waitFor(
    `an answer from ${url}`,
    async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
      return response?.text();
    },
    { timeoutSeconds: 20, intervalMilliseconds: 200 },
  );
}

describe('a bed of two management clusters', () => {
  const instance = 'e2e-use';
  let bed: Bed;
  beforeAll(async () => {
    await downBed(instance, report);
    bed = await upWithTimes(instance);
    await Promise.all(bed.clusters.map(startPods));
  }, 600_000);
  afterAll(async () => {
    await downBed(instance, report);
  }, 120_000);

  it('lets the pods of each cluster find Services by name and reach them', async () => {
    for (const cluster of bed.clusters) {
      // Not with wget's own -T: in Debian's static busybox that crashes when a name is to be resolved.
      const visit = ['exec', 'visitor', '--', 'timeout', '2', 'wget', '-qO-', 'http://web'];
      const page = await waitFor('the visitor to get the page', () => cluster.kubectl(visit).catch(() => undefined), {
        timeoutSeconds: 20,
        intervalMilliseconds: 200,
      });
      expect(page).toBe('a page\n');
    }
  }, 60_000);

  it('lets the host reach the pods and Services of each cluster by address', async () => {
    for (const cluster of bed.clusters) {
      const pod = await cluster.kubectl(['get', 'pod', 'web', '--output=jsonpath={.status.podIP}']);
      const service = await cluster.kubectl(['get', 'service', 'web', '--output=jsonpath={.spec.clusterIP}']);
      expect(await fetchText(`http://${pod}`)).toBe('a page\n');
      expect(await fetchText(`http://${service}`)).toBe('a page\n');
    }
  }, 60_000);

  it('gives each cluster networks of its own', () => {
    const networks = bed.clusters.flatMap(({ network }) => [
      network.nodeAddress,
      network.podSubnet,
      network.serviceSubnet,
    ]);
    expect(new Set(networks).size).toBe(6);
  });

  it('changes nothing when it is brought up again', async () => {
    const states = (): Promise<string[]> =>
      Promise.all(bed.clusters.map(({ stateDirectory }) => readFile(join(stateDirectory, 'cluster.json'), 'utf8')));
    const before = await states();
    const again = await upBed({ instance, clusters: 2, report });
    expect(await states()).toEqual(before);
    expect(again.s3.endpoint).toBe(bed.s3.endpoint);
  }, 60_000);

  it('loses and regains an API server through any handle, and records in its audit log who asked for what', async () => {
    const [cluster] = (await attachBed(instance)).clusters;
    await cluster.killApiServer();
    expect(await cluster.findFaults()).toEqual(
      expect.arrayContaining([expect.stringContaining('kube-apiserver does not run')]),
    );
    await bed.clusters[0].start('kube-apiserver');
    expect(await cluster.findFaults()).toEqual([]);
    await cluster.kubectl(['get', 'pods', '--namespace', 'kube-public']);
    expect(await readFile(cluster.auditLogPath, 'utf8')).toContain('/api/v1/namespaces/kube-public/pods');
  }, 120_000);

  it('keeps buckets and objects of its S3 over a crash', async () => {
    await bed.s3.createBucket('survivor', { objectLock: true });
    await bed.s3.kill();
    expect(await bed.s3.isRunning()).toBe(false);
    await bed.s3.start();
    const client = bed.s3.createClient();
    await expect(client.send(new HeadBucketCommand({ Bucket: 'survivor' }))).resolves.toBeDefined();
    client.destroy();
  }, 60_000);
});

/** Processes that live in a cluster's process namespace, pods included. */
async function findInhabitants(cluster: ManagementCluster): Promise<number[]> {
  const { anchor } = JSON.parse(await readFile(join(cluster.stateDirectory, 'cluster.json'), 'utf8')) as {
    anchor: { pid: number };
  };
  const home = await readNamespace(anchor.pid, 'pid');
  const pids = await listProcesses();
  const namespaces = await Promise.all(pids.map((pid) => readNamespace(pid, 'pid')));
  return pids.filter((_, index) => namespaces[index] === home);
}

async function findMentions(text: string): Promise<number[]> {
  const pids = await listProcesses();
  const commandLines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, index) => commandLines[index]?.includes(text));
}

/** Expects that nothing is left of what a bed brought; the kernel takes links and namespaces away with a delay. */
async function expectGone(brought: readonly string[]): Promise<void> {
  const findRemains = async (): Promise<string[]> => {
    const present = listThings(await takeSystemSnapshot());
    return brought.filter((thing) => present.has(thing));
  };
  const nothing = waitFor('everything to be gone', async () => (await findRemains()).length === 0, {
    timeoutSeconds: 15,
    intervalMilliseconds: 200,
  });
  await nothing.catch(() => undefined);
  expect(await findRemains()).toEqual([]);
}

describe('ending a bed', () => {
  const instance = 'e2e-end';
  const bedDirectory = `/var/lib/lifeboat-testbed/${instance}`;
  const children: ChildProcess[] = [];
  const lookalikes: number[] = [];
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await downBed(instance, report);
  }, 120_000);

  /** A process of somebody else that looks as if it were the bed's. */
  async function startLookalike(): Promise<void> {
    const path = `${bedDirectory}/mgmt-a/programs/kubernetes`;
    const child = spawn('sh', ['-c', 'while :; do sleep 1; done', path, 'kube-apiserver'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    lookalikes.push(child.pid ?? 0);
  }

  it('leaves no process, mount, link, route, cgroup, firewall rule, namespace or file, and no foreign process harmed', async () => {
    await downBed(instance, report);
    await startLookalike();
    const before = await takeSystemSnapshot();
    const bed = await upWithTimes(instance);
    await Promise.all(bed.clusters.map(startPods));
    const during = findAdditions(before, await takeSystemSnapshot());
    for (const kind of ['links', 'routes', 'cgroups', 'networkNamespaces', 'files']) {
      expect(during).toContainEqual(expect.stringMatching(`^${kind}: `));
    }
    const inhabitants = (await Promise.all(bed.clusters.map(findInhabitants))).flat();
    expect(inhabitants.length).toBeGreaterThan(20);

    await downBed(instance, report);

    await expectGone(during);
    expect(new Set(await findMentions(`${bedDirectory}/`))).toEqual(new Set(lookalikes));
    expect((await listProcesses()).filter((pid) => inhabitants.includes(pid))).toEqual([]);
  }, 600_000);

  it('cleans up after a start that was killed half-way', async () => {
    await startLookalike();
    const before = await takeSystemSnapshot();
    const cli = join(import.meta.dirname, '..', 'testbed', 'cli.ts');
    const starter = spawn(process.execPath, [cli, 'up', '--instance', instance], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(starter);
    const ended = once(starter, 'close');
    const output = createInterface({ input: starter.stdout });
    for await (const line of output) {
      if (line.includes('base images imported')) break;
    }
    starter.kill('SIGKILL');
    await ended;
    const during = findAdditions(before, await takeSystemSnapshot());
    expect(during).toContainEqual(expect.stringMatching('^links: lifeboat'));

    expect(await downBed(instance, report)).toBe(true);

    await expectGone(during);
    expect(new Set(await findMentions(`${bedDirectory}/`))).toEqual(new Set(lookalikes));
    await expect(attachBed(instance)).rejects.toThrow('No bed');
  }, 600_000);
});
