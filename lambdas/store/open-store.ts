import { resolve } from 'node:path';
import { ConfigurationError } from '../domain/errors.ts';
import { DirectoryStore } from './directory-store.ts';
import type { ObjectStore } from './object-store.ts';
import type { S3Options } from './s3-bucket.ts';

const FORMS = 'Give a directory such as ./recovery-points, or s3://bucket/prefix.';

/**
 * The store at a location as `store` in lifeboat.yaml gives it: a directory, relative to `baseDirectory`, or
 * `s3://bucket/prefix`. ConfigurationError for anything else. Nothing is created or contacted yet.
 */
export async function openStore(
  location: string,
  s3: S3Options = {},
  baseDirectory = process.cwd(),
): Promise<ObjectStore> {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(location)) return new DirectoryStore(directory(location, baseDirectory));
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location) ?? [];
  if (bucket === undefined) throw locationError(location, explainUrl(location));
  const prefix = path.replace(/\/$/, '');
  if (prefix !== '' && !prefix.split('/').every((segment) => /^[^.?#\s][^?#\s]*$/.test(segment))) {
    throw locationError(
      location,
      'its prefix has an empty segment, one that begins with a dot, or "?", "#" or a space',
    );
  }
  // Only here, for the S3 client is a third of all that the command line loads.
  const { S3Store } = await import('./s3-store.ts');
  return new S3Store(bucket, prefix, s3);
}

function directory(location: string, baseDirectory: string): string {
  if (location === '') throw locationError(location, 'it is empty');
  if (location.startsWith('~')) throw locationError(location, '"~" is not replaced in it');
  return resolve(baseDirectory, location);
}

function explainUrl(location: string): string {
  const [scheme = ''] = location.split(':');
  if (scheme.toLowerCase() !== 's3') return `"${scheme}:" is not supported`;
  return 'it names no valid bucket (3 to 63 of a-z, 0-9, "-" and ".")';
}

function locationError(location: string, why: string): ConfigurationError {
  return new ConfigurationError(`"${location}" can't be a store: ${why}`, { remedy: FORMS });
}
