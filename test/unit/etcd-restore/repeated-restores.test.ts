import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { revisionBump, type SeenRevision } from '../../../lambdas/datastores/etcd/restore/revision-bump.ts';
import { MOST_WRITES_PER_SECOND, writeRate, type RecordedRevision } from '../../../lambdas/domain/write-rate.ts';
import { seed } from '../../suite/seed.ts';

/** A control plane with its store, as far as revisions go: what is done to it, and the highest that a client has seen. */
class Plane {
  highest: number;
  #seconds = 0;
  #revision: number;
  #cluster = 1;
  readonly #points: RecordedRevision[];
  readonly #raised: { revision: number; at: number }[] = [];

  constructor(revision: number, writesPerSecond: number | null) {
    this.#revision = revision;
    this.highest = revision;
    this.#points = [{ ...this.#observe(), writesPerSecond }];
  }

  write(seconds: number, perSecond: number): void {
    this.#seconds += seconds;
    this.#revision += Math.floor(seconds * perSecond);
    this.highest = Math.max(this.highest, this.#revision);
  }

  backUp(): void {
    const observed = this.#observe();
    this.#points.push({ ...observed, writesPerSecond: writeRate(observed, this.#points.at(-1)) });
  }

  /** Gives what it has raised the revision by beyond the highest that was known. */
  restore(back: number, { isLive, isTakenBack }: { isLive: boolean; isTakenBack: boolean }): number {
    const point = this.#points.at(-1 - (back % this.#points.length));
    if (point === undefined) throw new Error('there is no point');
    const before = { highest: this.highest, revision: this.#revision, cluster: this.#cluster };
    const { bump } = revisionBump({
      snapshotRevision: point.revision,
      liveRevision: isLive ? this.#revision : undefined,
      writesPerSecond: point.writesPerSecond,
      ageSeconds: this.#seconds - point.takenAt.getTime() / 1000,
      seen: [
        ...this.#points.map(({ revision, takenAt }) => this.#seen(revision, takenAt.getTime() / 1000)),
        ...this.#raised.map(({ revision, at }) => this.#seen(revision, at)),
      ],
    });
    this.#revision = point.revision + bump;
    this.#raised.push({ revision: this.#revision, at: this.#seconds });
    this.#cluster += this.#raised.length;
    this.highest = Math.max(this.highest, this.#revision);
    const restored = this.#revision;
    if (isTakenBack) [this.#revision, this.#cluster] = [before.revision, before.cluster];
    return restored - before.highest;
  }

  #seen(revision: number, at: number): SeenRevision {
    return { revision, secondsAgo: this.#seconds - at, source: 'the store' };
  }

  #observe(): Omit<RecordedRevision, 'writesPerSecond'> {
    return {
      controlPlaneUid: 'uid',
      clusterId: String(this.#cluster),
      revision: this.#revision,
      takenAt: new Date(this.#seconds * 1000),
    };
  }
}

const NOW_AND_THEN = 300;

describe('a control plane that is restored again and again', () => {
  it.each([
    ['a new one', 5_000, null],
    ['one whose revision was raised far too much before', 3e14, 1.6e9],
  ])('goes up by little more than the smallest bump each time: %s', (_, revision, writesPerSecond) => {
    const plane = new Plane(revision, writesPerSecond);
    for (let round = 0; round < 100; round += 1) {
      plane.write(NOW_AND_THEN, 10);
      const raised = plane.restore(0, { isLive: true, isTakenBack: false });
      plane.write(NOW_AND_THEN, 10);
      plane.backUp();
      // The first recovery point of the second one carries an absurd rate, which is capped.
      expect(raised).toBeLessThanOrEqual(round === 0 ? MOST_WRITES_PER_SECOND * 3600 : 2_000_000);
    }
  });

  it('never serves a revision that a client has seen before, and never one far beyond what can have been written', () => {
    const seconds = fc.integer({ min: 1, max: 1_000_000 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), seconds, perSecond: fc.integer({ min: 0, max: 150 }) }),
      fc.record({ kind: fc.constant('back up' as const) }),
      fc.record({
        kind: fc.constant('restore' as const),
        back: fc.nat(20),
        isLive: fc.boolean(),
        isTakenBack: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const plane = new Plane(5_000, null);
        let passed = 0;
        for (const one of steps) {
          if (one.kind === 'write') {
            plane.write(one.seconds, one.perSecond);
            passed += one.seconds;
          } else if (one.kind === 'back up') plane.backUp();
          else {
            const raised = plane.restore(one.back, one);
            expect(raised).toBeLessThanOrEqual(MOST_WRITES_PER_SECOND * (passed + 3600) + 1);
            // Where nobody can be asked, ten times the recorded rate and etcd's own guide's 1,500 writes a second are the promise.
            if (one.isLive) expect(raised).toBeGreaterThan(0);
          }
        }
      }),
      { seed },
    );
  });
});
