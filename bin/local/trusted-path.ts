import { lstatSync, readFileSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join, parse, sep } from 'node:path';
import process from 'node:process';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';

/** As many links as Linux follows in one path. */
const MOST_LINKS = 40;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;
const ROOT = 0;

/** Something on the way to a file through which somebody else decides what is read there. */
interface Distrust {
  /** The folder, link or file. */
  readonly path: string;
  /** Reads on after the path, e.g. `may be written by others (mode 0777)`. */
  readonly why: string;
  /** What puts it right. */
  readonly remedy: string;
}

/** The uid of a file's owner, for a file that somebody has named and so trusts. Throws what the file system says. */
export function ownerOf(file: string): number {
  return statSync(file).uid;
}

/**
 * ConfigurationError if somebody other than this user, root and `owners` could decide what is read from a file (an absolute path).
 * `alternative` is what to do where what is wrong with it cannot be put right. Throws what the file system says, e.g. ENOENT.
 */
export function refuseUntrusted(file: string, owners: readonly number[], alternative: string): void {
  const distrust = distrustOf(file, owners);
  if (distrust === undefined) return;
  const { path, why, remedy } = distrust;
  throw new ConfigurationError(`${file} is not used: ${path === file ? 'it' : path} ${why}`, {
    remedy: `${remedy} ${alternative}`,
  });
}

/**
 * The file and every folder and link on the way to it from the root must belong to an owner, and nobody else may write them.
 * Of a folder that all may write but where each may only remove their own (the sticky bit, as on /tmp) only what is in
 * it must belong to an owner. Undefined when all is well, or where files have no such owners (Windows).
 */
function distrustOf(file: string, moreOwners: readonly number[]): Distrust | undefined {
  const user = process.geteuid?.();
  if (user === undefined) return undefined;
  const { root } = parse(file);
  const owners = new Set([user, ROOT, ...moreOwners]);
  // In a user namespace root is nobody; whoever owns "/" decides over everything below it anyway.
  const ownersOfFolders = new Set([...owners, lstatSync(root).uid]);
  const waiting = file.slice(root.length).split(sep);
  let folder = root;
  for (let links = 0; ;) {
    const inFolder = lstatSync(folder);
    if (!ownersOfFolders.has(inFolder.uid)) return foreign(folder, inFolder);
    const isShared = isWritableByOthers(inFolder, owners);
    if (isShared && (inFolder.mode & STICKY) === 0) return writable(folder, inFolder);
    const name = waiting.shift();
    if (name === undefined) return undefined;
    const path = name === '..' ? dirname(folder) : join(folder, name);
    const entry = lstatSync(path);
    if (entry.isDirectory()) {
      folder = path;
      continue;
    }
    if (!owners.has(entry.uid)) return foreign(path, entry);
    if (!entry.isSymbolicLink()) {
      if (isWritableByOthers(entry, owners)) return writable(path, entry);
      return isShared && entry.nlink > 1 ? linkedTwice(path) : undefined;
    }
    links += 1;
    if (links > MOST_LINKS) return { path, why: 'leads in circles', remedy: 'Correct the link.' };
    const target = readlinkSync(path);
    if (isAbsolute(target)) folder = root;
    waiting.unshift(...target.split(sep));
  }
}

function isWritableByOthers({ mode, gid }: Stats, owners: ReadonlySet<number>): boolean {
  if ((mode & WRITABLE_BY_ALL) !== 0) return true;
  return (mode & WRITABLE_BY_GROUP) !== 0 && !isPrivateGroup(gid, owners);
}

/**
 * Whether a group is the one that many systems make for each user (of the user's own number, with nobody else in it) and
 * give the right to write everything of theirs, because that changes nothing.
 */
function isPrivateGroup(gid: number, owners: ReadonlySet<number>): boolean {
  if (!owners.has(gid)) return false;
  const users = entriesOf('/etc/passwd').map(([name = '', , uid, group]) => ({ name, uid: Number(uid), group }));
  const group = entriesOf('/etc/group').find(([, , id]) => id === String(gid));
  if (group === undefined) return false;
  const members = (group[3] ?? '').split(',').filter((name) => name !== '');
  const all = users.filter(({ name, group: primary }) => primary === String(gid) || members.includes(name));
  return members.every((name) => all.some((user) => user.name === name)) && all.every(({ uid }) => owners.has(uid));
}

/** The fields of each line; none where there is no such file. */
function entriesOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}

function foreign(path: string, { uid }: Stats): Distrust {
  return { path, why: `belongs to another user (uid ${uid})`, remedy: `If it should be yours: chown ${path}.` };
}

function writable(path: string, { mode }: Stats): Distrust {
  const permissions = (mode & 0o7777).toString(8).padStart(4, '0');
  return { path, why: `may be written by others (mode ${permissions})`, remedy: `Forbid it: chmod go-w ${path}.` };
}

/** Where the kernel does not forbid it, anybody can give a file of the user a name in a shared folder. */
function linkedTwice(path: string): Distrust {
  return { path, why: 'has another name elsewhere (a hard link)', remedy: 'Copy it into a folder of your own.' };
}
