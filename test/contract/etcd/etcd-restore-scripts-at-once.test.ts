import { spawn, type ChildProcess } from 'node:child_process';
import { describe, expect, it, jest } from '@jest/globals';
import { swapPod } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { HELPER_EXIT_CODES, holderOf } from '../../../lambdas/datastores/etcd/restore/helper-scripts.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { runCommand } from '../../testbed/command.ts';
import { commandOf, installedEtcd, memberOf, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import {
  AT_WORK,
  below,
  BUSYBOX,
  dataOf,
  isSame,
  OWN,
  podEnvironment,
  useScriptVolume,
  withTicks,
  type Step,
} from './script-volume.ts';

jest.setTimeout(600_000);

const { refused, busy } = HELPER_EXIT_CODES;
const PREPARED = { ...dataOf('data', 'old'), ...dataOf(`${OWN}/restored`, 'new'), [`${OWN}/prepared`]: '' };
const OLD = below(dataOf('data', 'old'), 'data');
const NEW = below(dataOf('data', 'new'), 'data');
const { mountPath, readVolume, writeVolume, commandOfStep, run } = useScriptVolume();

describe('a script that another one is at work before', () => {
  const atWork = { ...PREPARED, [`${AT_WORK}swap.pod.uid-before.1767322800/`]: '' };
  /** Without the waiting of a second between looks. */
  const runAtOnce = (step: Step, over: readonly string[]) =>
    runCommand(BUSYBOX, withTicks(commandOfStep(step), 'tick() { :; }; sleep() { :; }'), { env: podEnvironment(over) });

  it.each(['swap', 'back', 'clear', 'finish'] as const)(
    'changes nothing as %s, and tells whose work it is',
    async (step) => {
      await writeVolume(atWork);
      const { exitCode, stdout } = await runAtOnce(step, ['another-uid']);
      expect({ exitCode, holder: holderOf(stdout), stdout }).toEqual({
        exitCode: busy,
        holder: 'uid-before',
        stdout: expect.stringMatching(/^swap of pod pod \(uid uid-before\) has been at work in .* for \d+ s\n$/),
      });
      const left = Object.entries(await readVolume()).filter(([path]) => path !== `${OWN}/reverted`);
      expect(Object.fromEntries(left)).toEqual(atWork);
    },
  );

  it('goes on once it is told that the pod is over', async () => {
    await writeVolume(atWork);
    expect(await runAtOnce('swap', ['another-uid', 'uid-before'])).toMatchObject({ exitCode: 0 });
    expect(below(await readVolume(), 'data')).toEqual(NEW);
  });
});

describe('the only copy of what lay there before', () => {
  it('is not cleared unless it is said that a verified recovery point holds it', async () => {
    await writeVolume(PREPARED);
    await run('swap');
    const swapped = await readVolume();
    const installation = installedEtcd(1, { mountPath: mountPath() });
    const clear = commandOf(
      swapPod(installation, memberOf(installation), { operation: OPERATION, action: 'clear' }),
      'clear',
    );
    expect(await runCommand(BUSYBOX, clear)).toMatchObject({
      exitCode: refused,
      stdout: expect.stringMatching(/previous is the only copy of what lay in .*\/data before/),
    });
    expect(await readVolume()).toEqual(swapped);
    expect(await run('clear')).toMatchObject({ exitCode: 0 });
    expect(await readVolume()).toEqual(dataOf('data', 'new'));
  });
});

describe('the way back', () => {
  it.each([
    ['holds something else', { ...dataOf(`${OWN}/previous`, 'of somebody else') }],
    ['has lost a file', { [`${OWN}/previous/member/snap/db`]: 'old' }],
  ])('moves nothing when what was moved aside %s', async (_, previous) => {
    await writeVolume(PREPARED);
    await run('swap');
    const swapped = Object.entries(await readVolume()).filter(([path]) => !path.startsWith(`${OWN}/previous/`));
    await writeVolume({ ...Object.fromEntries(swapped), ...previous });
    expect(await run('back')).toMatchObject({
      exitCode: refused,
      stdout: expect.stringMatching(/previous does not hold what lay in .*\/data before the swap/),
    });
    expect(below(await readVolume(), 'data')).toEqual(NEW);
  });

  it('does not end well when what was moved aside is gone', async () => {
    await writeVolume(PREPARED);
    await run('swap');
    const swapped = Object.entries(await readVolume()).filter(([path]) => !path.startsWith(`${OWN}/previous/`));
    await writeVolume(Object.fromEntries(swapped));
    expect(await run('back')).toMatchObject({
      exitCode: refused,
      stdout: expect.stringMatching(/is not in .* any more/),
    });
    expect(below(await readVolume(), 'data')).toEqual(NEW);
  });
});

/** A script that goes on by one command at a time, so that its steps can be mixed with those of another. */
class SteppedScript {
  readonly #child: ChildProcess;
  #next: Promise<void>;
  #reached: () => void = () => undefined;
  exitCode: number | undefined;

  constructor(step: Step) {
    const command = withTicks(commandOfStep(step), 'tick() { echo >&3; read -r _; }; sleep() { :; }');
    this.#child = spawn(BUSYBOX, command, { stdio: ['pipe', 'ignore', 'ignore', 'pipe'], env: podEnvironment() });
    this.#next = new Promise((resolve) => (this.#reached = resolve));
    this.#child.stdio[3]?.on('data', () => {
      this.#reached();
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.once('close', (code) => {
      this.exitCode = code ?? 128;
      this.#reached();
    });
  }

  /** Until it stands before a command, or has ended. */
  async stands(): Promise<void> {
    await this.#next;
  }

  async step(): Promise<void> {
    this.#next = new Promise((resolve) => (this.#reached = resolve));
    this.#child.stdin?.write('\n');
    await this.#next;
  }

  async kill(): Promise<void> {
    this.#next = new Promise((resolve) => (this.#reached = resolve));
    this.#child.kill('SIGKILL');
    while (this.exitCode === undefined) await this.#next;
  }
}

describe(`swap and the way back at once on one volume (seed ${seed})`, () => {
  const INTERLEAVINGS = 300;

  it('never lose the data of before, and the way back ends well only with them in place', async () => {
    const random = randomNumbers(seed);
    const seen = new Map<string, number>();
    for (let number = 0; number < INTERLEAVINGS; number += 1) {
      await writeVolume(PREPARED);
      const scripts = {
        swap: new SteppedScript('swap'),
        back: new SteppedScript('back'),
      };
      const running = [scripts.swap, scripts.back];
      await Promise.all(running.map((script) => script.stands()));
      // In each third run one of them is killed somewhere; each run favours another of both.
      let killAt = number % 3 === 0 ? Math.floor(random() * 60) : -1;
      const favour = random();
      while (running.some(({ exitCode }) => exitCode === undefined)) {
        const open = running.filter(({ exitCode }) => exitCode === undefined);
        const chosen = open[random() < favour ? 0 : open.length - 1];
        if (killAt === 0) await chosen?.kill();
        else await chosen?.step();
        killAt -= 1;
      }
      const volume = await readVolume();
      const places = ['data', `${OWN}/previous`].filter((place) => isSame(below(volume, place), OLD));
      const outcome = { swap: scripts.swap.exitCode, back: scripts.back.exitCode };
      expect({ number, outcome, volume, places }).toMatchObject({ places: [expect.any(String)] });
      if (outcome.back === 0) expect({ number, outcome, places }).toMatchObject({ places: ['data'] });
      const again = await run('back');
      expect({ number, again, data: below(await readVolume(), 'data') }).toMatchObject({
        again: { exitCode: 0 },
        data: OLD,
      });
      const key = `swap ${outcome.swap ?? '?'}, back ${outcome.back ?? '?'}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    // Both orders were tried, and one had to wait for the other.
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['swap 0, back 0', `swap ${refused}, back 0`]));
  });
});
