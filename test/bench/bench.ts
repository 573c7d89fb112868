/**
 * `npm run bench`: what a recovery point costs, beside what an operator does by hand today. Everything is measured in one
 * run on one bed, printed, and put into docs/evidence.md.
 */
import { manifestSchema } from '../../lambdas/domain/recovery-point.ts';
import { recordEvidence } from '../../lib/documents/pages.ts';
import { s3Workspace } from '../e2e/bed.ts';
import type { Workspace } from '../suite/lifeboat.ts';
import { downBed, upBed } from '../testbed/bed.ts';
import { fillHostedEtcd } from '../testbed/hypershift/fill.ts';
import { createHostedCluster, type HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import { installHyperShift } from '../testbed/hypershift/install.ts';
import { ensurePrerequisites } from '../testbed/prerequisites.ts';
import type { S3Server } from '../testbed/s3.ts';
import { createReport } from '../testbed/progress.ts';
import { backUpByHand } from './by-hand.ts';
import { compilePrograms, describeMachine, runMeasured, type MeasuredRun } from './measured-run.ts';

const COMMAND = 'npm run bench';
const INSTANCE = 'bench';
const BUCKET = 'bench';
const CONTROL_PLANE = 'mgmt-a/clusters/bench';
const MEBIBYTE = 1024 * 1024;
const SIZES = [20 * MEBIBYTE, 400 * MEBIBYTE, 1024 * MEBIBYTE];
const REPETITIONS = 3;
const SEED = 20260101;
/** Messages of the stream die young: in V8's default of 16 MiB they pile up for nothing. */
const SNAPSHOT_NODE_OPTIONS = '--max-semi-space-size=4';
const GOAL = { timesFaster: 3, fasterFromBytes: 400 * MEBIBYTE, peakBytes: 192 * MEBIBYTE };

/** Medians of the repetitions at one size, in milliseconds and bytes. */
interface Figures {
  readonly sizeBytes: number;
  readonly save: number;
  readonly compress: number;
  readonly upload: number;
  readonly byHand: number;
  /** The same stream through the same tunnel, and nothing done with it. */
  readonly raw: number;
  /** From asking the members to a stored object whose hash agrees. */
  readonly snapshot: number;
  readonly command: number;
  readonly snapshotPeakBytes: number;
  readonly commandPeakBytes: number;
}

const report = createReport((line) => {
  process.stdout.write(`${line}\n`);
});

try {
  const figures = await measureAll();
  const section = `${describeMachine(COMMAND)}; API server, kubelet, containerd, etcd and S3 on the same cores.\n\n${table(figures)}\n\n${goals(figures).join('\n')}`;
  process.stdout.write(`\n${section}\n`);
  await recordEvidence(COMMAND, section);
} finally {
  await downBed(INSTANCE, report);
}

async function measureAll(): Promise<Figures[]> {
  await ensurePrerequisites(report, [{ program: 'zstd', package: 'zstd' }]);
  await compilePrograms();
  await downBed(INSTANCE, report);
  const bed = await upBed({ instance: INSTANCE, clusters: 1, report });
  const [cluster] = bed.clusters;
  await installHyperShift(cluster);
  const hosted = await createHostedCluster(cluster, {
    namespace: 'clusters',
    name: 'bench',
    members: 1,
    etcdVersion: '3.6.5',
  });
  await bed.s3.createBucket(BUCKET);
  const workspace = await s3Workspace(bed, BUCKET);
  try {
    const figures: Figures[] = [];
    for (const databaseBytes of SIZES) {
      await fillHostedEtcd(hosted, { databaseBytes, seed: SEED, prefix: `/bench-${databaseBytes}/` });
      report(`filled to ${databaseBytes / MEBIBYTE} MiB`);
      figures.push(await measureSize(hosted, workspace, bed.s3));
    }
    return figures;
  } finally {
    await workspace.remove();
  }
}

async function measureSize(hosted: HostedCluster, workspace: Workspace, s3: S3Server): Promise<Figures> {
  const runs: Figures[] = [];
  for (let repetition = 1; repetition <= REPETITIONS; repetition += 1) {
    const key = `by-hand/${Date.now()}`;
    const steps = await backUpByHand(hosted, workspace, s3, BUCKET, key);
    const raw = await runProgram(workspace, 'drain', CONTROL_PLANE);
    const taken = await runProgram(workspace, 'take', CONTROL_PLANE, `${key}-taken`);
    const command = await runMeasured(
      workspace.startProgram('dist/bin/lifeboat.js', ['backup', CONTROL_PLANE, '--json'], 'pipe'),
    );
    const { datastores } = manifestSchema.parse(JSON.parse(command.stdout));
    runs.push({
      sizeBytes: datastores[0]?.sizeBytes ?? 0,
      ...steps,
      byHand: steps.save + steps.compress + steps.upload,
      raw: inside(raw),
      snapshot: inside(taken),
      command: command.milliseconds,
      snapshotPeakBytes: taken.peakBytes,
      commandPeakBytes: command.peakBytes,
    });
    report(`run ${repetition}: ${JSON.stringify(runs.at(-1))}`);
  }
  const median = (of: (run: Figures) => number) => runs.map(of).sort((a, b) => a - b)[Math.floor(runs.length / 2)] ?? 0;
  return {
    sizeBytes: median((run) => run.sizeBytes),
    save: median((run) => run.save),
    compress: median((run) => run.compress),
    upload: median((run) => run.upload),
    byHand: median((run) => run.byHand),
    raw: median((run) => run.raw),
    snapshot: median((run) => run.snapshot),
    command: median((run) => run.command),
    snapshotPeakBytes: Math.max(...runs.map((run) => run.snapshotPeakBytes)),
    commandPeakBytes: Math.max(...runs.map((run) => run.commandPeakBytes)),
  };
}

function runProgram(workspace: Workspace, program: string, ...args: string[]): Promise<MeasuredRun> {
  return runMeasured(
    workspace.startProgram(`dist/test/bench/programs/${program}.js`, args, 'pipe', SNAPSHOT_NODE_OPTIONS),
  );
}

/** What a program says that its work took, without its start. */
function inside({ stdout }: MeasuredRun): number {
  return (JSON.parse(stdout) as { milliseconds: number }).milliseconds;
}

function table(figures: readonly Figures[]): string {
  const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
  const mebibytes = (bytes: number) => `${Math.round(bytes / MEBIBYTE)} MiB`;
  const heading =
    '| etcd file | by hand: save + zstd + upload | snapshot, verified and stored | whole `backup`, all proofs | share of raw tunnel | peak memory, snapshot | peak memory, `backup` |';
  const rows = figures.map((run) => {
    const speed = (ours: number) =>
      ours <= run.byHand ? `${(run.byHand / ours).toFixed(1)}× faster` : `${(ours / run.byHand).toFixed(1)}× slower`;
    return [
      mebibytes(run.sizeBytes),
      `${seconds(run.byHand)}: ${[run.save, run.compress, run.upload].map(seconds).join(' + ')}`,
      `${seconds(run.snapshot)}, ${speed(run.snapshot)}`,
      `${seconds(run.command)}, ${speed(run.command)}`,
      `${Math.round((100 * run.raw) / run.snapshot)} %`,
      mebibytes(run.snapshotPeakBytes),
      mebibytes(run.commandPeakBytes),
    ].join(' | ');
  });
  return [heading, `|${'---|'.repeat(7)}`, ...rows.map((row) => `| ${row} |`)].join('\n');
}

/** The design's goals beside what was measured, a line each. */
function goals(figures: readonly Figures[]): string[] {
  const large = figures.find(({ sizeBytes }) => sizeBytes >= GOAL.fasterFromBytes);
  const ratio = large === undefined ? 0 : large.byHand / large.snapshot;
  const peakBytes = Math.max(...figures.map(({ snapshotPeakBytes }) => snapshotPeakBytes));
  const line = (met: boolean, goal: string, measured: string) => `- ${met ? 'met' : 'NOT met'}: ${goal}; ${measured}`;
  return [
    line(ratio >= GOAL.timesFaster, `${GOAL.timesFaster}× faster than by hand at 400 MiB`, `${ratio.toFixed(1)}×`),
    line(
      peakBytes <= GOAL.peakBytes,
      `at most ${GOAL.peakBytes / MEBIBYTE} MiB at every size`,
      `${Math.round(peakBytes / MEBIBYTE)} MiB`,
    ),
  ];
}
