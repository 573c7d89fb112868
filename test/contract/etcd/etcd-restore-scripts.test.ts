import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HELPER_EXIT_CODES } from '../../../lambdas/datastores/etcd/restore/helper-scripts.ts';
import { sampleOf } from '../../suite/extent.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { runCommand, type CommandResult } from '../../testbed/command.ts';
import {
  below,
  BUSYBOX,
  dataOf,
  isSame,
  leftAtWork,
  OWN,
  podEnvironment,
  SNAPSHOT,
  useScriptVolume,
  withoutTraces,
  withTicks,
  type Step,
  type Volume,
} from './script-volume.ts';

jest.setTimeout(900_000);

const { refused, wrongSnapshot, noRoom, tooLate } = HELPER_EXIT_CODES;
let dataDirectory = 'data';
const { mountPath, readVolume, writeVolume, commandOfStep, run } = useScriptVolume(() => dataDirectory);

afterEach(() => {
  dataDirectory = 'data';
});

/** How a script is interrupted: before its nth command, or while the nth `rm` has removed but one file. */
interface Kill {
  readonly before: 'command' | 'rm';
  readonly number: number;
}

/** Runs a script that kills itself there; null when it has ended before. */
async function runUntil(step: Step, { before, number }: Kill): Promise<CommandResult | null> {
  const interruption =
    before === 'command'
      ? 'n=0; tick() { n=$((n + 1)); [ "$n" -ne "$KILL" ] || kill -9 $$; }'
      : `n=0; tick() { :; }
rm() {
  n=$((n + 1))
  if [ "$n" -eq "$KILL" ]; then
    shift
    for path; do find "$path" -type f 2> /dev/null | sort; done | head -n 1 | xargs -r rm
    kill -9 $$
  fi
  busybox rm "$@"
}`;
  const result = await runCommand(BUSYBOX, withTicks(commandOfStep(step), interruption, []), {
    input: SNAPSHOT,
    env: { ...podEnvironment(leftAtWork(await readVolume())), KILL: String(number) },
  });
  return result.exitCode === 128 ? result : null;
}

/** What becomes of a volume when a step is killed at each of its places. */
async function interrupted(volume: Volume, step: Step): Promise<Volume[]> {
  const outcomes: Volume[] = [];
  for (const before of ['command', 'rm'] as const) {
    for (let number = 1; ; number += 1) {
      await writeVolume(volume);
      if ((await runUntil(step, { before, number })) === null) break;
      outcomes.push(await readVolume());
    }
  }
  return outcomes;
}

interface Completed {
  readonly exitCode: number;
  readonly volume: Volume;
}

async function completed(volume: Volume, step: Step): Promise<Completed> {
  await writeVolume(volume);
  const { exitCode } = await run(step);
  return { exitCode, volume: await readVolume() };
}

/** A preparation is a pod: its later containers run only after the earlier ones. Gives every volume it may leave behind. */
async function prepared(volume: Volume): Promise<{ interrupted: Volume[]; completed: Completed }> {
  const left = await interrupted(volume, 'fetch');
  const fetched = await completed(volume, 'fetch');
  if (fetched.exitCode !== 0) return { interrupted: left, completed: fetched };
  expect(below(fetched.volume, `${OWN}/restored`)).toEqual({});
  const half = { ...fetched.volume, [`${OWN}/restored/member/snap/db`]: 'ne' };
  const restored = { ...fetched.volume, ...dataOf(`${OWN}/restored`, 'new') };
  left.push(fetched.volume, half, restored, ...(await interrupted(restored, 'finish')));
  return { interrupted: left, completed: await completed(restored, 'finish') };
}

interface Before {
  readonly name: string;
  readonly volume: Volume;
  /** That of etcd's data on the volume, and what of it is exchanged. */
  readonly directory?: string;
  readonly exchanged?: string;
}

const DATA_BEFORE: readonly Before[] = [
  { name: 'the data of an etcd', volume: { ...dataOf('data', 'old'), 'lost+found/': '' } },
  { name: 'an empty directory', volume: { 'data/': '' } },
  { name: 'nothing', volume: {} },
  {
    name: 'the data of an etcd in its root',
    volume: { ...below(dataOf('data', 'old'), 'data'), 'lost+found/': '' },
    directory: '',
    exchanged: 'member',
  },
];

const NEW = below(dataOf('data', 'new'), 'data');
const has = (volume: Volume, path: string): boolean =>
  Object.keys(volume).some((found) => found === path || found.startsWith(`${path}/`));
const canSwap = (volume: Volume): boolean => !has(volume, `${OWN}/reverted`);
const isAside = (volume: Volume): boolean => has(volume, `${OWN}/previous`) || has(volume, `${OWN}/nothing-before`);

/** What the scripts can tell volumes apart by: none of them looks at what was cleared, nor into what is not finished. */
function tellingOf(volume: Volume): string {
  const isFinished = has(volume, `${OWN}/prepared`);
  const telling = Object.entries(withoutTraces(volume)).map(([path, content]) => {
    if (path.startsWith(`${OWN}.cleared`)) return `${OWN}.cleared`;
    if (path === `${OWN}/identity`) return path;
    const unfinished = [`${OWN}/restored`, `${OWN}/member`].find((place) => path.startsWith(`${place}/`));
    if (unfinished !== undefined && !isFinished) return unfinished;
    return `${path}=${content}`;
  });
  return [...new Set(telling)].join('\n');
}

describe.each(sampleOf(DATA_BEFORE, randomNumbers(seed)))(
  'a volume with $name before',
  ({ volume: before, directory = 'data', exchanged: data = 'data' }) => {
    const OLD = below(before, data);
    const restored = below({ ...dataOf('data', 'new'), ...below(dataOf('data', 'new'), 'data') }, data);

    beforeEach(() => {
      dataDirectory = directory;
    });

    const isOld = (volume: Volume): boolean =>
      has(volume, data) === has(before, data) && isSame(below(volume, data), OLD);
    const isNew = (volume: Volume): boolean => isSame(below(volume, data), restored);
    /** The restored data are in place, and those before were given up. */
    const isKept = (volume: Volume): boolean => isNew(volume) && !isAside(volume);

    /** The data before are whole in exactly one place, unless they were given up; nothing is ever mixed. */
    function expectWhole(volume: Volume): void {
      const aside = isAside(volume);
      if (aside && has(before, data)) expect(below(volume, `${OWN}/previous`)).toEqual(OLD);
      const isMidway = aside && !has(volume, data);
      const states = [isOld(volume) && !aside, isNew(volume), isMidway];
      expect({ volume, states: states.filter(Boolean) }).toEqual({ volume, states: [true] });
      if (isMidway) expect(below(volume, `${OWN}/restored`)).toEqual(restored);
    }

    function expectDone(step: Step | 'prepare', from: Volume, { exitCode, volume }: Completed): void {
      const aside = isAside(from);
      const isHalfDone = aside && !(isNew(from) && !has(from, `${OWN}/restored`));
      const mayGoOn = {
        prepare: !aside && canSwap(from),
        swap: canSwap(from) && (aside || has(from, `${OWN}/prepared`)),
        back: true,
        clear: !isHalfDone,
        fetch: true,
        finish: true,
      }[step];
      expect({ step, from, exitCode }).toEqual({ step, from, exitCode: mayGoOn ? 0 : refused });
      if (!mayGoOn) expect(withoutTraces(volume)).toEqual(withoutTraces(from));
      else if (step === 'swap') expect(isNew(volume)).toBe(true);
      else if (step === 'back') {
        expect({ from, canSwap: canSwap(volume), aside: isAside(volume) }).toEqual({
          from,
          canSwap: false,
          aside: false,
        });
        expect({ from, data: below(volume, data) }).toEqual({ from, data: aside ? OLD : below(from, data) });
      } else if (step === 'clear') expect(Object.keys(volume).filter((path) => path.startsWith(OWN))).toEqual([]);
    }

    /** Of steps that may leave something beside the data, but not change them or those before. */
    function expectDataUntouched(from: Volume, volumes: readonly Volume[], places: readonly string[]): void {
      const dataOn = (volume: Volume) => places.map((place) => below(volume, place));
      for (const volume of volumes) expect(dataOn(volume)).toEqual(dataOn(from));
    }

    it('holds exactly those or exactly the restored data, after any steps in any order, each killed at any place', async () => {
      const seen = new Map<string, Volume>();
      const open = [before];
      for (let from = open.pop(); from !== undefined; from = open.pop()) {
        expectWhole(from);
        const telling = tellingOf(from);
        if (seen.has(telling)) continue;
        seen.set(telling, from);
        for (const step of ['swap', 'back', 'clear'] as const) {
          const outcome = await completed(from, step);
          expectDone(step, from, outcome);
          // From here on it is all the same again, with the restored data as those before.
          if (isKept(from)) continue;
          const cut = await interrupted(from, step);
          if (step === 'clear') expectDataUntouched(from, [outcome.volume, ...cut], [data]);
          // Whoever has begun to put the data back is not overtaken by a late swap.
          if (step === 'back') expectDataUntouched(from, cut.filter(canSwap), [data, `${OWN}/previous`]);
          open.push(outcome.volume, ...cut);
        }
        if (isKept(from)) continue;
        const preparation = await prepared(from);
        expectDone('prepare', from, preparation.completed);
        const volumes = [...preparation.interrupted, preparation.completed.volume];
        expectDataUntouched(from, volumes, [data, `${OWN}/previous`]);
        open.push(...volumes);
      }
      const volumes = [...seen.values()];
      expect(volumes.some((volume) => isAside(volume) && !has(volume, data))).toBe(true);
      expect(volumes.some((volume) => has(volume, `${OWN}/reverted`) && isOld(volume))).toBe(true);
      expect(volumes.some((volume) => isKept(volume) && !has(volume, OWN))).toBe(true);
    });
  },
);

describe('the preparation', () => {
  const live = dataOf('data', 'old');

  beforeEach(async () => {
    await writeVolume(live);
  });

  it('keeps the file and what is made of it from everybody else', async () => {
    expect(await run('fetch')).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^received 10 bytes/) });
    const { stdout } = await runCommand(BUSYBOX, ['stat', '-c', '%a', join(mountPath(), OWN)]);
    expect(stdout.trim()).toBe('700');
  });

  it.each([
    ['ends early', SNAPSHOT.subarray(0, 4), /^4 of 10 bytes arrived, then the stream ended$/],
    ['ends before it begins', Buffer.alloc(0), /^0 of 10 bytes arrived/],
    ['has other bytes', Buffer.from('a snapshop'), /^the SHA-256 of what arrived is [0-9a-f]{64}, not [0-9a-f]{64}$/],
  ])('ends when the stream %s, and the next one starts clean', async (_, input, message) => {
    const { exitCode, stdout } = await run('fetch', input);
    expect({ exitCode, stdout: stdout.trim() }).toEqual({
      exitCode: wrongSnapshot,
      stdout: expect.stringMatching(message),
    });
    expect(await run('fetch')).toMatchObject({ exitCode: 0 });
    expect(await readVolume()).toEqual({ ...live, [`${OWN}/snapshot.db`]: SNAPSHOT.toString() });
  });

  it('takes no more than the announced bytes, should more come', async () => {
    expect(await run('fetch', Buffer.concat([SNAPSHOT, randomBytes(100_000)]))).toMatchObject({ exitCode: 0 });
    expect((await readVolume())[`${OWN}/snapshot.db`]).toBe(SNAPSHOT.toString());
  });

  it('writes nothing where the volume has too little room beside the live data', async () => {
    const command = commandOfStep('fetch').with(-2, '9000000000000');
    const { exitCode, stdout } = await runCommand(BUSYBOX, command, { input: SNAPSHOT });
    expect({ exitCode, stdout }).toEqual({
      exitCode: noRoom,
      stdout: expect.stringMatching(
        /^the volume has \d+ KiB free, 9000000000000 KiB are needed beside the live data\n$/,
      ),
    });
    expect(await readVolume()).toEqual(live);
  });

  it('is not finished when nothing was restored', async () => {
    await run('fetch');
    expect(await run('finish')).toMatchObject({ exitCode: refused, stdout: expect.stringMatching(/holds no data/) });
    expect(await run('swap')).toMatchObject({
      exitCode: refused,
      stdout: expect.stringMatching(/nothing is prepared/),
    });
  });
});

describe('data that come up between the two renames of a swap', () => {
  const halfSwapped = {
    ...dataOf(`${OWN}/previous`, 'old'),
    ...dataOf(`${OWN}/restored`, 'new'),
    [`${OWN}/prepared`]: '',
  };
  const withStranger = { ...halfSwapped, ...dataOf('data', 'of an etcd that was started on nothing') };

  beforeEach(async () => {
    await writeVolume(withStranger);
  });

  it.each(['swap', 'clear'] as const)('stop the step %s, which changes nothing', async (step) => {
    expect(await run(step)).toMatchObject({ exitCode: refused });
    expect(await readVolume()).toEqual(withStranger);
  });

  it('are kept aside when the data before are put back', async () => {
    expect(await run('back')).toMatchObject({ exitCode: 0 });
    expect(await readVolume()).toMatchObject({
      ...dataOf('data', 'old'),
      ...dataOf(`${OWN}/unexpected`, 'of an etcd that was started on nothing'),
    });
    expect(await run('clear')).toMatchObject({ exitCode: 0 });
    expect(await readVolume()).toEqual(dataOf('data', 'old'));
  });
});

describe('an etcd that still runs', () => {
  const prepared = { ...dataOf(`${OWN}/restored`, 'new'), [`${OWN}/prepared`]: '' };

  /** Does the work while a process holds the lock that etcd holds on its database. */
  async function whileLocked(work: string): Promise<CommandResult> {
    return runCommand('flock', [join(mountPath(), 'data/member/snap/db'), 'sh', '-c', work]);
  }
  const asShellWords = (words: readonly string[]): string =>
    [BUSYBOX, ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

  it('keeps its data from being swapped', async () => {
    const volume = { ...dataOf('data', 'old'), ...prepared };
    await writeVolume(volume);
    expect(await whileLocked(asShellWords(commandOfStep('swap')))).toMatchObject({
      exitCode: refused,
      stdout: expect.stringMatching(/^an etcd still runs on /),
    });
    expect(await readVolume()).toEqual(volume);
    expect(await run('swap')).toMatchObject({ exitCode: 0 });
  });

  it('keeps the data before from being put back, and no swap can come between', async () => {
    await writeVolume({ ...dataOf('data', 'old'), ...prepared });
    await run('swap');
    expect(await whileLocked(asShellWords(commandOfStep('back')))).toMatchObject({ exitCode: refused });
    expect(below(await readVolume(), 'data')).toEqual(NEW);
    expect(await run('swap')).toMatchObject({ exitCode: refused });
    expect(await run('back')).toMatchObject({ exitCode: 0 });
    expect(below(await readVolume(), 'data')).toEqual(below(dataOf('data', 'old'), 'data'));
  });
});

describe('a pod that begins after the time until which it may move data', () => {
  const prepared = { ...dataOf(`${OWN}/restored`, 'new'), [`${OWN}/prepared`]: '' };
  const halfSwapped = { ...dataOf(`${OWN}/previous`, 'old'), ...prepared };
  const inSeconds = (seconds: number) => ({ NOT_AFTER: String(Math.floor(Date.now() / 1000) + seconds) });

  it.each([
    ['swap', 'before the exchange', { ...dataOf('data', 'live, weeks newer'), ...prepared }],
    ['swap', 'in the middle of it', halfSwapped],
    ['back', 'after it', { ...dataOf('data', 'new'), ...dataOf(`${OWN}/previous`, 'old') }],
    ['back', 'in the middle of it', halfSwapped],
  ] as const)('moves nothing (%s, %s), and one in time does its work', async (step, _, volume) => {
    await writeVolume(volume);
    const late = await run(step, SNAPSHOT, inSeconds(-5));
    expect(late).toMatchObject({
      exitCode: tooLate,
      stdout: expect.stringMatching(
        new RegExp(`^${step} has come \\d+ s too late, by the clock of its node: nothing was moved\n$`),
      ),
    });
    const untouched = await readVolume();
    for (const place of ['data', `${OWN}/previous`, `${OWN}/restored`]) {
      expect(below(untouched, place)).toEqual(below(volume, place));
    }
    expect(await run(step, SNAPSHOT, inSeconds(60))).toMatchObject({ exitCode: 0 });
    const content = step === 'swap' ? NEW : below(dataOf('data', 'old'), 'data');
    expect(below(await readVolume(), 'data')).toEqual(content);
  });
});
