/**
 * `npm run bench:planning`: what it takes to plan a run over ten thousand control planes, which stand as objects on a real
 * API server; nobody reconciles them.
 */
import pLimit from 'p-limit';
import { recordEvidence } from '../../lib/documents/pages.ts';
import { directoryWorkspace } from '../e2e/bed.ts';
import { downBed, upBed } from '../testbed/bed.ts';
import { KubeApi } from '../testbed/hypershift/api.ts';
import { planHostedCluster } from '../testbed/hypershift/hosted-cluster-objects.ts';
import { installHyperShift, stopOperator } from '../testbed/hypershift/install.ts';
import { HOSTED_CLUSTER, NAMESPACE } from '../testbed/hypershift/resources.ts';
import { createReport } from '../testbed/progress.ts';
import { compilePrograms, describeMachine, runMeasured } from './measured-run.ts';

const COMMAND = 'npm run bench:planning';
const INSTANCE = 'planning';
const NAMESPACE_NAME = 'clusters';
const CONTROL_PLANES = 10_000;
const REQUESTS_AT_ONCE = 16;
const MEBIBYTE = 1024 * 1024;
/** Step Functions' quota of a state's input and output. */
const STATE_LIMIT_BYTES = 262_144;

const report = createReport((line) => {
  process.stdout.write(`${line}\n`);
});

try {
  await compilePrograms();
  await downBed(INSTANCE, report);
  const bed = await upBed({ instance: INSTANCE, clusters: 1, report });
  const [cluster] = bed.clusters;
  await installHyperShift(cluster, { machineApi: false });
  await stopOperator(cluster);
  await createHostedClusters(cluster.kubeconfig);
  const policies = { all: { schedule: '@daily', retention: { last: 1 } } };
  const workspace = await directoryWorkspace(bed, {}, policies);
  try {
    const run = await runMeasured(workspace.startProgram('dist/test/bench/programs/plan.js', ['all'], 'pipe'));
    const {
      milliseconds = 0,
      controlPlanes,
      pages,
      largestBytes = 0,
    } = JSON.parse(run.stdout) as Record<string, number>;
    const section =
      `${describeMachine(COMMAND)}; the API server on the same cores.\n\n` +
      `${controlPlanes} control planes planned in ${(milliseconds / 1000).toFixed(1)} s with ` +
      `${Math.round(run.peakBytes / MEBIBYTE)} MiB at the most, in ${pages} pages; the largest state has ` +
      `${largestBytes} of ${STATE_LIMIT_BYTES} bytes.`;
    process.stdout.write(`\n${section}\n`);
    await recordEvidence(COMMAND, section);
    if (controlPlanes !== CONTROL_PLANES || largestBytes > STATE_LIMIT_BYTES) process.exitCode = 1;
  } finally {
    await workspace.remove();
  }
} finally {
  await downBed(INSTANCE, report);
}

async function createHostedClusters(kubeconfig: string): Promise<void> {
  const api = KubeApi.connect(kubeconfig);
  try {
    const { apiVersion, kind } = NAMESPACE;
    await api.ensure(NAMESPACE, { apiVersion, kind, metadata: { name: NAMESPACE_NAME } });
    const plan = { namespace: NAMESPACE_NAME, name: 'tenant', members: 1, etcdVersion: '3.6.5' } as const;
    const { hostedCluster } = planHostedCluster(plan);
    const limit = pLimit(REQUESTS_AT_ONCE);
    await limit.map(Array.from({ length: CONTROL_PLANES }), async (_, index) => {
      const name = `tenant-${String(index).padStart(5, '0')}`;
      await api.create(HOSTED_CLUSTER, { ...hostedCluster, metadata: { namespace: NAMESPACE_NAME, name } });
      if ((index + 1) % 2000 === 0) report(`${index + 1} HostedClusters created`);
    });
  } finally {
    api.close();
  }
}
