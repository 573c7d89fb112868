import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CapturedOutput } from '../suite/captured-output.ts';
import { findLeaks } from '../suite/planted-secrets.ts';
import { slowestSuites } from '../suite/slowest-suites.ts';

describe('the search for planted secrets', () => {
  const key = '-----BEGIN KEY-----\nMHcCAQEEIA1234567890abcdef\n-----END KEY-----\n';
  const token = 'eyJhbGciOiJSUzI1NiJ9.payload';

  it.each([
    ['as it is', `login with ${token} failed`],
    ['in base64', `data: ${Buffer.from(token).toString('base64')}`],
    ['as one line of a key', 'parse error near MHcCAQEEIA1234567890abcdef'],
  ])('finds a secret %s', (_form, text) => {
    expect(findLeaks(text, [key, token])).toHaveLength(1);
  });

  it('finds nothing where there is none, and does not repeat what it found', () => {
    expect(findLeaks('-----BEGIN KEY----- [secret] -----END KEY-----', [key, token])).toEqual([]);
    expect(findLeaks(token, [token]).join()).not.toContain(token);
  });
});

describe('a command of the run', () => {
  let directory: string;
  let output: CapturedOutput;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lifeboat-output-'));
    output = await CapturedOutput.open(join(directory, 'output'));
  });
  afterEach(async () => {
    await output.close();
    await rm(directory, { recursive: true });
  });

  it('takes with it what it has left running, and keeps its exit code', async () => {
    const file = join(directory, 'pid');
    expect(await output.run('sh', ['-c', `sleep 2147483647 & echo $! > ${file}; exit 3`])).toBe(3);
    const pid = Number(await readFile(file, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    expect(await isEnded(pid)).toBe(true);
  });

  it('that can not be started has failed, and says so', async () => {
    expect(await output.run('no-such-program-anywhere', [])).toBe(1);
    expect(await output.text()).toContain('no-such-program-anywhere could not be run');
  });
});

/** Gone, or dead and not yet collected by whoever inherited it. */
async function isEnded(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') gone');
  return /\) (gone|[ZX])/.test(state);
}

describe('the table of slow suites', () => {
  it('has the ten slowest, longest first, by their paths in the repository', () => {
    const times = Array.from({ length: 12 }, (_, index) => ({
      path: `/r/test/${index}.test.ts`,
      milliseconds: index * 1000,
    }));
    const [title, ...rows] = slowestSuites(times, '/r');
    expect(title).toBe('the 10 slowest suites of 12:');
    expect(rows).toHaveLength(10);
    expect(rows[0]).toBe('   11.0 s  test/11.test.ts');
    expect(rows.join()).not.toContain('test/1.test.ts');
  });
});
