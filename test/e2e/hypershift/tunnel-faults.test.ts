import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { isWhole, sampleOf } from '../../suite/extent.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { SETUP_TIMEOUT_MILLISECONDS } from '../bed.ts';
import { backUp, backUpDisturbed, buildFaultStage, PASSED_BYTES, type FaultStage } from './fault-stage.ts';
import { measureTraffic, planCuts, runCut, type CutRecord } from './tunnel-cuts.ts';

/** A hundred, or a tenth of them; most where a backup takes least. */
const CUTS = isWhole ? { 1: 75, 3: 25 } : { 1: 7, 3: 4 };
/** Ends what hangs. A backup takes two seconds, and many times that where others use both cores. */
const CUT_TIMEOUT_MILLISECONDS = 120_000;
/** More than freezing a member takes on a busy machine: nothing comes from any member meanwhile. */
const WATCHDOG_MILLISECONDS = 10_000;

const random = randomNumbers(seed);
/** The sizes on which a fault is tried that does not ask how many members there are. */
const sizes = (): readonly (1 | 3)[] => sampleOf([1, 3], random);
const API_SERVER_KILLED = sizes();
const PROCESS_ENDED = sizes();

describe.each([1, 3] as const)('a backup of %d etcd members', (members) => {
  let stage: FaultStage;

  beforeAll(async () => {
    stage = await buildFaultStage('tunnel-faults', members);
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(() => stage.close(), SETUP_TIMEOUT_MILLISECONDS);
  // What a test that failed has left would fail the others.
  beforeEach(() => stage.aftermath.empty());

  const cuts = CUTS[members];
  it(
    `through a connection that is cut, at ${cuts} places, is whole, or fails for now and leaves nothing`,
    async () => {
      const traffic = await measureTraffic(stage);
      const records: CutRecord[] = [];
      for (const [index, cut] of planCuts(cuts, seed + members).entries()) {
        try {
          const record = await runCut(stage, cut, traffic);
          expect(record.cutPhases.length).toBeGreaterThan(0);
          await stage.aftermath.expectAllOrNothing(record.outcome);
          // What is cut once, another connection or another member makes good for; nobody can when it is cut always.
          expect(record.outcome.manifest === undefined).toBe(cut.hits === 'every');
          records.push(record);
        } catch (cause) {
          throw new Error(`cut ${index + 1} of seed ${seed}: ${JSON.stringify(cut)}`, { cause });
        }
      }
      const failed = records.filter(({ outcome }) => outcome.manifest === undefined);
      const inSnapshot = records.filter(({ cutPhases }) => cutPhases.includes('snapshot'));
      const uploadsBegun = failed.reduce((sum, record) => sum + record.uploadsBegun, 0);
      process.stderr.write(
        `${members} members, ${cuts} cuts: ${inSnapshot.length} in the snapshot; ${failed.length} backups failed, ` +
          `which had begun ${uploadsBegun} uploads\n`,
      );
      expect(failed.length).toBeGreaterThan(0);
      expect(failed.length).toBeLessThan(cuts);
      // Of few it may by chance be fewer than half.
      expect(inSnapshot.length).toBeGreaterThan(isWhole ? cuts / 2 : 1);
      expect(uploadsBegun).toBeGreaterThan(0);
    },
    cuts * CUT_TIMEOUT_MILLISECONDS,
  );

  if (API_SERVER_KILLED.includes(members))
    it('during which the API server is killed is whole, or fails for now; and succeeds once that is back', async () => {
      const { cluster } = stage.hosted;
      let restarting: Promise<void> | undefined;
      const outcome = await backUpDisturbed(stage, async () => {
        await cluster.killApiServer();
        restarting = cluster.start('kube-apiserver');
      });
      await restarting;
      await stage.aftermath.expectAllOrNothing(outcome);
      const again = await backUp(stage);
      expect(again.error).toBeUndefined();
      await stage.aftermath.expectAllOrNothing(again);
    }, 240_000);

  it('during which the streaming member is killed comes from another one, if there is one', async () => {
    let killed = -1;
    const outcome = await backUpDisturbed(stage, async () => {
      killed = await stage.readers.streamingMember();
      await stage.hosted.killMember(killed);
    });
    await stage.hosted.waitUntilReady();
    if (members === 3) {
      const [datastore] = outcome.manifest?.datastores ?? [];
      expect(datastore?.memberPod).not.toBe(`etcd-${killed}`);
      expect(datastore?.memberChoice).toContainEqual(expect.stringMatching(`^etcd-${killed}: failed, `));
    }
    await stage.aftermath.expectAllOrNothing(outcome);
  }, 240_000);

  it('during which the streaming member falls silent comes from another one, if there is one', async () => {
    let frozen: number | undefined;
    try {
      const outcome = await backUpDisturbed(
        stage,
        async () => {
          frozen = await stage.readers.streamingMember();
          await stage.hosted.freezeMember(frozen);
        },
        { watchdogMilliseconds: WATCHDOG_MILLISECONDS },
      );
      if (frozen !== undefined) await stage.hosted.thawMember(frozen);
      const silence = `etcd member etcd-${frozen ?? ''} has sent nothing of its snapshot for 10 s`;
      const told = outcome.manifest?.datastores[0]?.memberChoice.join() ?? String(outcome.error);
      expect(told).toContain(silence);
      expect(outcome.manifest !== undefined).toBe(members === 3);
      await stage.aftermath.expectAllOrNothing(outcome);
    } finally {
      if (frozen !== undefined) await stage.hosted.thawMember(frozen);
    }
  }, 240_000);

  if (PROCESS_ENDED.includes(members))
    it.each([
      ['SIGINT', 130],
      ['SIGKILL', -1],
    ] as const)(
      'whose process is ended by %s in mid-stream lists nothing and reads no more',
      async (signal, exitCode) => {
        const { discover, identity } = await measureTraffic(stage);
        let ending: Promise<void> | undefined;
        const { exitCode: actual, stderr } = await stage.workspace.run(['backup', stage.controlPlane], (child) => {
          ending = stage.api.holdAfter(discover + identity + PASSED_BYTES).then(async () => {
            await stage.readers.streamingMember();
            child.kill(signal);
          });
        });
        stage.api.release();
        await ending;
        expect(actual).toBe(exitCode);
        await stage.aftermath.expectNothingListed();
        if (signal === 'SIGINT') expect(stderr).toContain('interrupted; no recovery point was made');
        // Nobody is left to clean up after SIGKILL; without a manifest it is no recovery point.
        else await stage.aftermath.empty();
        await stage.aftermath.expectNothingLeft();
      },
      120_000,
    );
});
