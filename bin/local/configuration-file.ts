import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import type * as z from 'zod';
import { configurationSchema, type Configuration } from '../../lambdas/domain/configuration.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { ownerOf, refuseUntrusted } from './trusted-path.ts';

const FILE_NAME = 'lifeboat.yaml';
const EXAMPLE = `Create ${FILE_NAME}, e.g.:
  store: ./recovery-points
  managementClusters:
    mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }`;

/** The configuration with the file it came from; relative paths in it are relative to that file's directory. */
export interface LoadedConfiguration {
  readonly file: string;
  readonly configuration: Configuration;
  /** Whose files it may name, beside those of this user and root: its own owner's when it was given by name. */
  readonly trustedOwners: readonly number[];
  /** Makes a path of the configuration absolute. */
  resolvePath(path: string): string;
}

/**
 * Reads and checks `lifeboat.yaml`: the one given, else the first found from the working directory upward. One that was found must be
 * this user's or root's; whoever gives one trusts its owner. Nobody else may be able to write either.
 * ConfigurationError names file, line and column of everything that is wrong, and how a file is given where there is none.
 */
export function loadConfiguration(
  given: string | undefined,
  workingDirectory: string,
  howToGive = '--config <file>',
): LoadedConfiguration {
  const file = given === undefined ? findUpward(workingDirectory, howToGive) : resolve(workingDirectory, given);
  const trustedOwners = assertTrusted(file, given !== undefined);
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines });
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const [reason] = syntaxError.message.split('\n');
    throw new ConfigurationError(`${position(syntaxError.pos[0])}: not valid YAML: ${reason ?? ''}`, {
      remedy: 'Correct the syntax at that position.',
    });
  }
  const parsed = configurationSchema.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => describeIssue(issue, document, position));
    throw new ConfigurationError(problems.join('\n'), {
      remedy: 'Correct the file there; "lifeboat schema configuration" prints all that may stand in it.',
    });
  }
  const directory = dirname(file);
  return { file, configuration: parsed.data, trustedOwners, resolvePath: (path) => resolve(directory, path) };
}

function describeIssue(issue: z.core.$ZodIssue, document: Document, position: (offset: number) => string): string {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return `${position(offsetOf(document, [...path, key]))}: unknown key "${[...path, key].join('.')}"`;
  }
  const what = path.length === 0 ? 'the file' : `"${path.join('.')}"`;
  if (issue.code === 'invalid_type' && !document.hasIn(path))
    return `${position(offsetOf(document, path))}: ${what} is missing`;
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return `${position(offsetOf(document, path))}: ${what}: ${message}`;
}

/** Where the value at this path, or its nearest parent that exists, begins; a key rather than its value where possible. */
function offsetOf(document: Document, path: readonly string[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    if (!isMap(parent)) continue;
    const pair = parent.items.find((item) => String(item.key) === path[length - 1]);
    const range = (pair?.key as { range?: [number, number, number] } | undefined)?.range;
    if (range !== undefined) return range[0];
  }
  return 0;
}

function findUpward(from: string, howToGive: string): string {
  const file = join(from, FILE_NAME);
  if (existsSync(file)) return file;
  const parent = dirname(from);
  if (parent === from) {
    throw new ConfigurationError(`no ${FILE_NAME} in the working directory or any directory above it`, {
      remedy: `${EXAMPLE}\nor name one with ${howToGive}.`,
    });
  }
  return findUpward(parent, howToGive);
}

/** The owners beside this user and root who may say what stands in the file. */
function assertTrusted(file: string, isGiven: boolean): readonly number[] {
  return reading(file, () => {
    const owners = isGiven ? [ownerOf(file)] : [];
    const alternative = isGiven ? 'Or give another file.' : `Or name the file that is meant: --config ${file}.`;
    refuseUntrusted(file, owners, alternative);
    return owners;
  });
}

function readText(file: string): string {
  return reading(file, () => readFileSync(file, 'utf8'));
}

function reading<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new ConfigurationError(`${file} ${reason}`, { remedy: EXAMPLE, cause });
  }
}
