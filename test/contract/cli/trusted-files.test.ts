import { chmod, chown, lchown, link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfiguration, type LoadedConfiguration } from '../../../bin/local/configuration-file.ts';
import { configuredKubeconfigs } from '../../../bin/local/kubeconfig-files.ts';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';
import { failureOf } from '../failure-of.ts';

/** A user that these tests, which run as root, are not. */
const SOMEBODY = 4711;
const CONFIGURATION = 'store: ./points\nmanagementClusters:\n  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }\n';

/** A folder of our own in the machine's temporary one, which everybody may write to. */
let directory: string;
let file: string;
let work: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-trust-'));
  file = join(directory, 'lifeboat.yaml');
  work = join(directory, 'a', 'b');
  await mkdir(work, { recursive: true });
  await writeFile(file, CONFIGURATION, { mode: 0o644 });
});
afterEach(() => rm(directory, { recursive: true }));

const found = (): LoadedConfiguration => loadConfiguration(undefined, work);
const given = (path = file): LoadedConfiguration => loadConfiguration(path, work);
const kubeconfigOf = (loaded: LoadedConfiguration) => configuredKubeconfigs(loaded, 'backup').read('mgmt-a');

/** What a load is refused with. */
async function refusal(load: () => unknown): Promise<{ message: string; remedy: string | undefined }> {
  const error = await failureOf(Promise.resolve().then(load));
  expect(error).toBeInstanceOf(ConfigurationError);
  return error;
}

async function share(path: string, mode: number): Promise<string> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
  return path;
}

describe('a lifeboat.yaml that is found in a folder above', () => {
  it('is used when it and the folders above it are ours, in a shared temporary directory too', () => {
    expect(found().file).toBe(file);
  });

  it('of another user is refused by name, with how to say that it is meant', async () => {
    await chown(file, SOMEBODY, SOMEBODY);
    const { message, remedy } = await refusal(found);
    expect(message).toBe(`${file} is not used: it belongs to another user (uid ${SOMEBODY})`);
    expect(remedy).toContain(`--config ${file}`);
    expect(given().file).toBe(file);
  });

  it.each([
    ['the group', 0o664],
    ['everybody', 0o646],
  ])('that %s may write is refused, and so it is when it is given by name', async (_who, mode) => {
    await chown(file, 0, SOMEBODY);
    await chmod(file, mode);
    for (const load of [found, given]) {
      const { message, remedy } = await refusal(load);
      expect(message).toContain(`${file} is not used: it may be written by others (mode 0${mode.toString(8)})`);
      expect(remedy).toContain(`chmod go-w ${file}`);
    }
  });

  it('is used when the group that may write it is the private one of its owner', async () => {
    await chmod(directory, 0o775);
    await chmod(file, 0o664);
    expect(found().file).toBe(file);
  });

  it('below a folder of another user is refused, naming the folder', async () => {
    await chown(directory, SOMEBODY, SOMEBODY);
    const { message } = await refusal(found);
    expect(message).toBe(`${file} is not used: ${directory} belongs to another user (uid ${SOMEBODY})`);
  });

  it('below a folder that others may write is refused, naming the folder', async () => {
    await chmod(directory, 0o777);
    expect((await refusal(found)).message).toBe(
      `${file} is not used: ${directory} may be written by others (mode 0777)`,
    );
  });

  it('is refused when a folder further above lets others put another folder in its place', async () => {
    const open = await share(join(directory, 'open'), 0o777);
    const own = await share(join(open, 'own'), 0o755);
    await writeFile(join(own, 'lifeboat.yaml'), CONFIGURATION);
    expect((await refusal(() => loadConfiguration(undefined, own))).message).toContain(`${open} may be written`);
    await chmod(open, 0o1777);
    expect(loadConfiguration(undefined, own).file).toBe(join(own, 'lifeboat.yaml'));
  });

  it('in a shared folder is used when it is ours, unless it may be another file of ours under a name that somebody gave it', async () => {
    const shared = await share(join(directory, 'shared'), 0o1777);
    const inShared = join(shared, 'lifeboat.yaml');
    await writeFile(inShared, CONFIGURATION);
    expect(loadConfiguration(undefined, shared).file).toBe(inShared);
    await rm(inShared);
    await link(file, inShared);
    expect((await refusal(() => loadConfiguration(undefined, shared))).message).toContain('a hard link');
  });

  it.each([
    ['a link of another user to a file of ours', (link: string) => lchown(link, SOMEBODY, SOMEBODY)],
    ['a link of ours to a file of another user', (link: string) => chown(link, SOMEBODY, SOMEBODY)],
  ])('that is %s is refused', async (_what, spoil) => {
    await writeFile(join(directory, 'other.yaml'), CONFIGURATION);
    await rm(file);
    await symlink('a/../other.yaml', file);
    expect(found().configuration.store).toBe('./points');
    await spoil(file);
    expect((await refusal(found)).message).toContain('belongs to another user');
  });

  it('through links that lead in circles is refused', async () => {
    const folders = join(directory, 'circle');
    await symlink('circle', folders);
    expect((await refusal(() => given(join(folders, 'lifeboat.yaml')))).message).toContain('cannot be read');
  });
});

describe('a kubeconfig that the configuration names', () => {
  const kubeconfig = () => join(directory, 'mgmt-a.kubeconfig');
  beforeEach(() => writeFile(kubeconfig(), 'apiVersion: v1', { mode: 0o600 }));

  it('is read when it is ours', async () => {
    await expect(kubeconfigOf(found())).resolves.toMatchObject({ source: kubeconfig() });
  });

  it('of another user is refused, unless the configuration is theirs too and was given by name', async () => {
    await chown(kubeconfig(), SOMEBODY, SOMEBODY);
    const { message } = await refusal(() => kubeconfigOf(found()));
    expect(message).toBe(`${kubeconfig()} is not used: it belongs to another user (uid ${SOMEBODY})`);
    await refusal(() => kubeconfigOf(given()));
    await chown(file, SOMEBODY, SOMEBODY);
    await expect(kubeconfigOf(given())).resolves.toMatchObject({ source: kubeconfig() });
  });

  it('that others may write is refused', async () => {
    await chown(kubeconfig(), 0, SOMEBODY);
    await chmod(kubeconfig(), 0o660);
    expect((await refusal(() => kubeconfigOf(found()))).message).toContain('may be written by others (mode 0660)');
  });
});
