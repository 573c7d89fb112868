import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Workspace } from '../../suite/lifeboat.ts';
import { storePoint } from '../stored-points.ts';

const POINT = '20260101T000000Z-aaaa';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create({ store: './points', managementClusters: {} });
});
afterEach(() => workspace.remove());

/** The last line of standard error, as a program reads it. */
function documentOf(stderr: string): unknown {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
}

describe('a command that fails', () => {
  it('says so on standard error as text, with the configuration in use, and prints no result', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['show', POINT]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(`\nusing: ${join(workspace.directory, 'lifeboat.yaml')}\n`);
  });

  it('with --json says so there as one line of JSON, and prints no result', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['show', POINT, '--json']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(documentOf(stderr)).toEqual({
      error: {
        name: 'NotFoundError',
        kind: 'validation',
        message: expect.stringContaining(POINT),
        remedy: expect.any(String),
        exitCode: 2,
        configuration: join(workspace.directory, 'lifeboat.yaml'),
      },
    });
  });

  it('with --json says what is wrong with the command line in the same form', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['--json', 'list', '--no-such-option']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { message: expect.stringContaining('--no-such-option') } });
  });

  it('with --verbose tells which configuration and store it uses before anything else', async () => {
    const { stderr } = await workspace.run(['--verbose', 'list']);
    const [first = ''] = stderr.split('\n');
    expect(first).toContain(`${join(workspace.directory, 'lifeboat.yaml')} is used, with the store `);
    expect(first).toContain(join(workspace.directory, 'points'));
  });
});

describe('export', () => {
  const store = () => new DirectoryStore(join(workspace.directory, 'points'));
  const target = (...names: string[]) => join(workspace.directory, ...names);

  it.each([
    ['a folder that is not there', ['missing', 'file.db'], 'there is no folder'],
    ['below a file', ['lifeboat.yaml', 'file.db'], 'is no folder'],
    ['a folder in place of a file', ['folder'], 'is a folder'],
    ['a file that exists', ['present.db'], 'exists already'],
  ])('to %s is refused before a byte is read', async (_what, to, why) => {
    await storePoint(store(), POINT);
    await mkdir(target('folder'));
    await writeFile(target('present.db'), 'kept');
    const { exitCode, stderr } = await workspace.run(['export', POINT, '--to', target(...to)]);
    expect(stderr).toContain(why);
    expect(stderr).not.toMatch(/ {4}at |unexpected|export {2}/);
    expect(exitCode).toBe(2);
    expect((await readdir(workspace.directory)).sort()).toEqual(['folder', 'lifeboat.yaml', 'points', 'present.db']);
  });
});
