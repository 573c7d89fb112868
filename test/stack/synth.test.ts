import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { exitOf } from '../suite/lifeboat.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** With the bundles of all functions; a few seconds unless the machine is busy. */
const TIMEOUT_MILLISECONDS = 300_000;
/** Nothing answers there: whoever needs the network fails. */
const NOWHERE = 'http://127.0.0.1:9';

let temporary: string;
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'lifeboat-synth-'));
});
afterAll(() => {
  rmSync(temporary, { recursive: true });
});

/** `npx cdk synth --quiet` as in a fresh clone of somebody careful: no credentials, no region, no home, no network, and files are private. */
async function synth(name: string, args: readonly string[] = []) {
  const output = join(temporary, name);
  const umask = process.umask(0o077);
  const child = spawn('npx', ['--no-install', 'cdk', 'synth', '--quiet', '--output', output, ...args], {
    cwd: ROOT,
    env: {
      PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: temporary,
      HTTP_PROXY: NOWHERE,
      HTTPS_PROXY: NOWHERE,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MILLISECONDS,
    killSignal: 'SIGKILL',
  });
  process.umask(umask);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { exitCode: await exitOf(child), text, output };
}

const reportSchema = z.object({ pluginReports: z.array(z.unknown()) });

describe('npx cdk synth', () => {
  it(
    'makes the template of the example, with every function, without AWS and without a finding',
    async () => {
      const { exitCode, text, output } = await synth('example', ['-c', 'lifeboat:config=lib/example.lifeboat.yaml']);
      // The CDK tells in one line that it would know newer ways.
      expect(text).toMatch(/^(\d+ feature flags are not configured.*\n)?$/);
      expect(exitCode).toBe(0);
      // A rule pack that found nothing is not in it.
      const report = reportSchema.parse(JSON.parse(readFileSync(join(output, 'validation-report.json'), 'utf8')));
      expect(report.pluginReports).toEqual([]);
      const template = readFileSync(join(output, 'lifeboat.template.json'), 'utf8');
      const handlers = readdirSync(join(ROOT, 'lambdas', 'handlers'));
      expect(template.match(/"AWS::Lambda::Function"/g)).toHaveLength(handlers.length);
      // Lambda unpacks an asset with the modes that it has here, and reads it as another user.
      const files = readdirSync(output, { recursive: true, encoding: 'utf8' }).filter((file) =>
        file.startsWith('asset.'),
      );
      const unreadable = files.filter((file) => (statSync(join(output, file)).mode & 0o004) === 0);
      expect(files.length).toBeGreaterThan(handlers.length);
      expect(unreadable).toEqual([]);
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'is refused without a lifeboat.yaml, and says how to see the example',
    async () => {
      const { exitCode, text } = await synth('nothing');
      expect(exitCode).not.toBe(0);
      expect(text).toContain('no lifeboat.yaml in the working directory');
      expect(text).toContain('-c lifeboat:config=lib/example.lifeboat.yaml');
      expect(text).not.toMatch(/\n\s+at /);
    },
    TIMEOUT_MILLISECONDS,
  );

  it(
    'says in one sentence what is wrong with a configuration, and what to do',
    async () => {
      const file = join(temporary, 'lifeboat.yaml');
      writeFileSync(file, 'store: ./points\nmanagementClusters:\n  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }\n');
      const { exitCode, text } = await synth('refused', ['-c', `lifeboat:config=${file}`]);
      expect(exitCode).not.toBe(0);
      expect(text).toContain('mgmt-a is reached by the file ./mgmt-a.kubeconfig');
      expect(text).toContain('lifeboat enroll mgmt-a');
      expect(text).not.toMatch(/\n\s+at /);
    },
    TIMEOUT_MILLISECONDS,
  );
});
