import { existsSync } from 'node:fs';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import type { ObjectStore } from '../../lambdas/store/object-store.ts';

/** What to say of a directory that is the store and is not there: it looks like a store without recovery points; else undefined. */
export function missingStore(store: ObjectStore): string | undefined {
  if (!(store instanceof DirectoryStore) || existsSync(store.location)) return undefined;
  return `the store ${store.location} is not there: nothing was ever backed up to it, its directory is not mounted, or the bucket of an application on AWS is meant (the stack's output "Store")`;
}
