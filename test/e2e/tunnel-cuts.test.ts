import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Progress } from '../../lambdas/domain/progress.ts';
import { randomNumbers } from '../suite/random.ts';
import { seed } from '../suite/seed.ts';
import type { Workspace } from '../suite/lifeboat.ts';
import { startHttpFaultProxy, type HttpFaultProxy } from '../testbed/http-fault-proxy.ts';
import { fillHostedEtcd } from '../testbed/hypershift/fill.ts';
import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import { Aftermath } from './aftermath.ts';
import { createBucket, plantHostedCluster, s3Workspace, sharedBed } from './bed.ts';
import { openClusterDetour, type ClusterDetour } from './cluster-detour.ts';
import { EtcdReaders } from './etcd-readers.ts';
import { backUpInProcess, type Outcome } from './in-process.ts';

const DATABASE_BYTES = 22 * 1024 * 1024;
const CUTS = 50;

/** Phases in which the API server sends something. */
const PHASES = ['discover', 'identity', 'snapshot', 'live'] as const;
type Phase = (typeof PHASES)[number];

/** One cut: where in what the API server sends during a phase, and what it hits. */
interface Cut {
  readonly phase: Phase;
  readonly fraction: number;
  readonly hits: 'the connection that brings the byte' | 'all connections' | 'every connection at that byte, always';
}

/** Mostly the snapshot, which is nearly all of the bytes; but a uniform choice would never meet the other phases. */
function planCuts(random: () => number): Cut[] {
  const scopes = ['the connection that brings the byte', 'all connections', 'every connection at that byte, always'] as const;
  return Array.from({ length: CUTS }, (_, index) => ({
    phase: PHASES[random() < 0.7 ? 2 : Math.floor(random() * PHASES.length)] ?? 'snapshot',
    fraction: random() * 0.98,
    hits: scopes[index % scopes.length] ?? 'all connections',
  }));
}

let workspace: Workspace;
let detour: ClusterDetour;
let s3: HttpFaultProxy;
let aftermath: Aftermath;
const hosted = new Map<number, HostedCluster>();

beforeAll(async () => {
  const bed = await sharedBed();
  const [cluster] = bed.clusters;
  detour = await openClusterDetour(cluster);
  s3 = await startHttpFaultProxy(bed.s3.endpoint);
  const bucket = await createBucket(bed, 'tunnel-cuts');
  aftermath = await Aftermath.in(bed, bucket);
  workspace = await s3Workspace(bed, bucket, {
    endpoint: s3.endpoint,
    kubeconfigs: { 'mgmt-a': detour.kubeconfigPath },
  });
  await Promise.all(
    ([1, 3] as const).map(async (members) => {
      const plan = { namespace: `cuts-${members}`, name: 'prod', members, etcdVersion: '3.6.5' } as const;
      const control = await plantHostedCluster(cluster, plan);
      hosted.set(members, control);
      await fillHostedEtcd(control, { databaseBytes: DATABASE_BYTES, seed });
    }),
  );
}, 300_000);
afterAll(async () => {
  aftermath.close();
  await workspace.remove();
  await s3.stop();
  await detour.close();
  await Promise.all([...hosted.values()].map((control) => control.delete()));
}, 180_000);

describe.each([1, 3])('a backup of %d etcd members through a connection that is cut', (members) => {
  /** Bytes that the API server sends in each phase when nobody disturbs it. */
  async function measure(readers: EtcdReaders): Promise<Record<Phase, number>> {
    const bytes = { discover: 0, identity: 0, snapshot: 0, live: 0 };
    const report = (progress: Progress) => {
      if (progress.kind === 'phase-started') detour.proxy.cutAfter(Infinity, 1);
      if (progress.kind === 'phase-finished' && progress.phase in bytes) {
        bytes[progress.phase as Phase] = detour.proxy.passedBytes;
      }
    };
    const outcome = await backUp(report);
    if (outcome.manifest === undefined) throw new Error('no backup without a cut', { cause: outcome.error });
    await aftermath.expectAllOrNothing(outcome, readers);
    return bytes;
  }

  const backUp = (report: (progress: Progress) => void): Promise<Outcome> =>
    backUpInProcess(workspace, `mgmt-a/cuts-${members}/prod`, { report });

  async function backUpWith({ phase, fraction, hits }: Cut, bytes: Record<Phase, number>) {
    let present = '';
    const cutPhases: string[] = [];
    detour.proxy.onCut = () => cutPhases.push(present);
    const always = hits === 'every connection at that byte, always';
    if (always) detour.proxy.cutEachAfter(Math.floor(fraction * DATABASE_BYTES));
    else detour.proxy.cutAfter(Infinity, 1);
    const outcome = await backUp((progress) => {
      if (progress.kind !== 'phase-started') return;
      present = progress.phase;
      if (always || present !== phase) return;
      detour.proxy.cutAfter(Math.floor(fraction * bytes[phase]), 1, hits === 'all connections' ? 'all' : 'one');
    });
    return { outcome, always, cutPhases };
  }

  it('gives a whole recovery point or a transient error, and leaves nothing behind', async () => {
    const control = hosted.get(members);
    if (control === undefined) throw new Error('the control plane is not there');
    const readers = await EtcdReaders.of(control);
    const bytes = await measure(readers);
    const seen = { succeeded: 0, failed: 0, inSnapshot: 0, uploadsBegun: 0 };
    for (const [index, cut] of planCuts(randomNumbers(seed + members)).entries()) {
      const begunBefore = s3.requests.filter(({ query }) => query.has('uploads')).length;
      const { outcome, always, cutPhases } = await backUpWith(cut, bytes);
      try {
        expect(cutPhases.length).toBeGreaterThan(0);
        await aftermath.expectAllOrNothing(outcome, readers);
        // Whatever is cut once, another connection or another member makes good for; nobody can when it is cut always.
        expect(outcome.manifest === undefined).toBe(always);
      } catch (cause) {
        throw new Error(`cut ${index + 1} of seed ${seed}: ${JSON.stringify(cut)}`, { cause });
      }
      seen[outcome.manifest === undefined ? 'failed' : 'succeeded'] += 1;
      if (cutPhases.includes('snapshot')) seen.inSnapshot += 1;
      if (outcome.manifest === undefined) {
        seen.uploadsBegun += s3.requests.filter(({ query }) => query.has('uploads')).length - begunBefore;
      }
    }
    process.stderr.write(`${members} members: ${CUTS} cuts, ${JSON.stringify({ ...seen, bytes })}\n`);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
    expect(seen.inSnapshot).toBeGreaterThan(CUTS / 2);
  }, 600_000);
});
