import { createHash } from 'node:crypto';
import { access, copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ETCD35_PARTS, KUBERNETES_PARTS, type Binaries } from './binaries.ts';
import { cacheDirectory } from './cache.ts';
import { requireCommand } from './command.ts';
import { withLock } from './lock.ts';
import type { Report } from './progress.ts';

/** The sandbox of every pod. */
export const PAUSE_IMAGE = 'pause:bed';
/** A shell and the usual commands; what restores on the bed fetch and move with. */
export const BUSYBOX_IMAGE = 'busybox:bed';
/** Every Kubernetes part, etcd 3.6.5, etcdctl and etcdutl in /usr/local/bin, and no shell, as in the platforms' own images. */
export const KUBERNETES_IMAGE = 'kubernetes:bed';
/** etcd, etcdctl and etcdutl in /usr/local/bin, and no shell. By version. */
export const ETCD_IMAGES = { '3.5.21': 'etcd:3.5.21', '3.6.5': 'etcd:3.6.5' } as const;

export interface ImageArchives {
  /** docker-archive of pause and busybox: small, needed before the first pod. */
  readonly base: string;
  /** docker-archive of Kubernetes and both etcd images. */
  readonly parts: string;
}

interface Layer {
  /** A directory whose contents are the layer. */
  readonly root: string;
}

interface Image {
  readonly tag: string;
  readonly layer: Layer;
  readonly command?: readonly string[];
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Same contents, same bytes: nothing of the machine or the moment goes in. */
async function createTar(tar: string, directory: string): Promise<void> {
  await requireCommand('tar', [
    ...[
      '--create',
      '--file',
      tar,
      '--directory',
      directory,
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
    ],
    ...['--mtime=@0', '.'],
  ]);
}

/** Writes a docker-archive of images, each of one layer; images may share theirs. */
async function writeArchive(archive: string, workDirectory: string, images: readonly Image[]): Promise<void> {
  const contents = join(workDirectory, 'archive');
  await mkdir(contents);
  const digests = new Map<Layer, string>();
  for (const { layer } of images) {
    if (digests.has(layer)) continue;
    const tar = join(workDirectory, 'layer.tar');
    await createTar(tar, layer.root);
    const digest = await sha256(tar);
    await rename(tar, join(contents, `${digest}.tar`));
    digests.set(layer, digest);
  }
  const manifest = await Promise.all(
    images.map(async ({ tag, layer, command }) => {
      const digest = digests.get(layer) ?? '';
      const configuration = JSON.stringify({
        architecture: ARCHITECTURES[process.arch] ?? process.arch,
        os: 'linux',
        config: { Env: ['PATH=/usr/local/bin:/bin'], ...(command === undefined ? {} : { Cmd: command }) },
        rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
      });
      const name = `${createHash('sha256').update(configuration).digest('hex')}.json`;
      await writeFile(join(contents, name), configuration);
      return { Config: name, RepoTags: [tag], Layers: [`${digest}.tar`] };
    }),
  );
  await writeFile(join(contents, 'manifest.json'), JSON.stringify(manifest));
  await createTar(archive, contents);
  await rm(contents, { recursive: true });
}

/** A root with one program and links to it, and what programs expect to find in any root. */
async function makeRoot(root: string, program: string, directory: string, parts: readonly string[]): Promise<Layer> {
  const bin = join(root, directory);
  await Promise.all([bin, join(root, 'etc'), join(root, 'tmp')].map((path) => mkdir(path, { recursive: true })));
  await writeFile(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  await writeFile(join(root, 'etc', 'group'), 'root:x:0:\nnogroup:x:65534:\n');
  const name = program.slice(program.lastIndexOf('/') + 1);
  await copyFile(program, join(bin, name));
  await Promise.all(parts.filter((part) => part !== name).map((part) => symlink(name, join(bin, part))));
  return { root };
}

const BUSYBOX = '/bin/busybox';

async function buildArchives(directory: string, binaries: Binaries): Promise<void> {
  const applets = (await requireCommand(BUSYBOX, ['--list'])).trim().split('\n');
  const busybox = await makeRoot(join(directory, 'busybox'), BUSYBOX, 'bin', applets);
  const kubernetes = await makeRoot(
    join(directory, 'kubernetes'),
    binaries.kubernetes,
    'usr/local/bin',
    KUBERNETES_PARTS,
  );
  const etcd35 = await makeRoot(join(directory, 'etcd35'), binaries.etcd35, 'usr/local/bin', ETCD35_PARTS);
  await writeArchive(join(directory, 'base.tar'), directory, [
    { tag: PAUSE_IMAGE, layer: busybox, command: ['/bin/sleep', '2147483647'] },
    { tag: BUSYBOX_IMAGE, layer: busybox, command: ['/bin/sh'] },
  ]);
  await writeArchive(join(directory, 'parts.tar'), directory, [
    { tag: KUBERNETES_IMAGE, layer: kubernetes },
    { tag: ETCD_IMAGES['3.6.5'], layer: kubernetes },
    { tag: ETCD_IMAGES['3.5.21'], layer: etcd35 },
  ]);
  await Promise.all([busybox, kubernetes, etcd35].map(({ root }) => rm(root, { recursive: true })));
}

/** The archives of every image of the bed, written into the cache when the programs in them have changed. */
export async function ensureImageArchives(binaries: Binaries, report: Report): Promise<ImageArchives> {
  const { size, mtimeMs } = await stat(BUSYBOX);
  const recipe = createHash('sha256')
    .update(`${binaries.fingerprint}\0${size}\0${mtimeMs}\0`)
    .update(await readFile(import.meta.filename));
  const directory = join(cacheDirectory(), `images-${recipe.digest('hex').slice(0, 16)}`);
  const archives = { base: join(directory, 'base.tar'), parts: join(directory, 'parts.tar') };
  const isThere = (): Promise<boolean> =>
    access(directory).then(
      () => true,
      () => false,
    );
  if (await isThere()) return archives;
  await mkdir(cacheDirectory(), { recursive: true });
  await withLock(
    `${directory}.lock`,
    () => {
      report('Another process is writing the image archives, waiting');
    },
    async () => {
      if (await isThere()) return;
      report('Writing the image archives (first use only)');
      const unfinished = `${directory}.unfinished`;
      await rm(unfinished, { recursive: true, force: true });
      await mkdir(unfinished);
      await buildArchives(unfinished, binaries);
      await rename(unfinished, directory);
    },
  );
  return archives;
}
