import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { requireCommand, runCommand } from '../../testbed/command.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const OLDEST_NODE = '22.19.0';

let folder: string;
/** Node of the oldest supported version, with nothing else on the path that could help. */
const lifeboat = (...args: string[]) =>
  runCommand(join(folder, 'node_modules/node/bin/node'), [join(folder, 'node_modules/.bin/lifeboat'), ...args], {
    env: { PATH: '/usr/bin:/bin', HOME: folder },
  });

describe('the package installed into an empty folder', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lifeboat-package-'));
    await requireCommand('npm', ['--prefix', ROOT, 'pack', ROOT, '--pack-destination', folder], {
      timeoutSeconds: 120,
    });
    const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
    const install = [
      '--prefix',
      folder,
      'install',
      '--no-audit',
      '--no-fund',
      `node@${OLDEST_NODE}`,
      join(folder, tarball),
    ];
    await requireCommand('npm', install, { timeoutSeconds: 300 });
  }, 420_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('runs on the oldest supported Node', async () => {
    const node = await requireCommand(join(folder, 'node_modules/node/bin/node'), ['--version']);
    expect(node.trim()).toBe(`v${OLDEST_NODE}`);
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await lifeboat('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('opens a store, and says what is missing in a configuration', async () => {
    const file = join(folder, 'lifeboat.yaml');
    const missing = await lifeboat('list', '--config', file);
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain('lifeboat.yaml does not exist');
    await writeFile(file, 'store: ./points\nmanagementClusters: {}\n');
    const empty = await lifeboat('list', '--config', file);
    expect(empty).toMatchObject({ exitCode: 0, stderr: '' });
    expect(empty.stdout).toContain('no recovery points');
  });

  it('carries source maps with its JavaScript, and no tests', async () => {
    const files = (await readdir(join(folder, 'node_modules/lifeboat'), { recursive: true })).sort();
    const scripts = files.filter((name) => name.endsWith('.js'));
    expect(scripts).toContain('dist/bin/lifeboat.js');
    expect(scripts.filter((name) => !files.includes(`${name}.map`))).toEqual([]);
    expect(files.filter((name) => name.includes('test'))).toEqual([]);
  });
});
