// Raises a counter in a directory store so many times by conditional overwrites, in a process of its own, with a clock that is
// ahead of the filesystem's by so much.
import { ConflictError } from '../../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { readAll } from './bytes.ts';

const [, , directory = '', times = '0', aheadMilliseconds = '0'] = process.argv;
const now = Date.now.bind(Date);
Date.now = () => now() + Number(aheadMilliseconds);
const store = new DirectoryStore(directory);

async function raise(): Promise<boolean> {
  const before = await store.head('counter');
  if (before === undefined) throw new Error('no counter');
  const count = Number(await readAll(await store.read('counter')));
  try {
    await store.put('counter', Buffer.from(String(count + 1)), { ifMatch: before.etag });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

for (let raised = 0; raised < Number(times);) if (await raise()) raised += 1;
