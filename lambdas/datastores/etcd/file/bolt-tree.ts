import type { BoltFile, BucketRef } from './bolt-file.ts';
import { type ByteRange, compareBytes } from './bytes.ts';
import type { Bitmap } from './bitmap.ts';
import { TreePage } from './tree-page.ts';

/** bbolt's branches have at least two children, so real trees are a few levels deep; a deeper one is a damaged chain. */
const DEEPEST_BRANCH = 64;

interface Branch {
  readonly page: TreePage;
  readonly upper: ByteRange | undefined;
  next: number;
}

/**
 * The leaves of one bucket in key order, each good until the next one is asked for. Every key is at or after its
 * branch's key and before the next one of any branch above, so keys ascend through the whole bucket; every page is met
 * once because the ledger refuses it a second time, which also makes cycles impossible.
 */
export function* leavesOf(file: BoltFile, bucket: BucketRef, ledger: Bitmap): Generator<TreePage, void, undefined> {
  if (typeof bucket.root !== 'number') {
    yield file.inlinePage(bucket.root.inline, bucket.root.page);
    return;
  }
  const path: Branch[] = [];
  const root = file.treePage(bucket.root, ledger);
  if (root.isLeaf) yield root;
  else path.push(descend(file, root, undefined));
  for (let branch = path.at(-1); branch !== undefined; branch = path.at(-1)) {
    if (branch.next === branch.page.count) {
      path.pop();
      continue;
    }
    const index = branch.next;
    branch.next += 1;
    const lower = branch.page.key(index);
    const upper = branch.next < branch.page.count ? branch.page.key(branch.next) : branch.upper;
    const page = file.treePage(branch.page.child(index), ledger);
    checkBounds(file, page, lower, upper);
    if (page.isLeaf) yield page;
    else if (path.length === DEEPEST_BRANCH)
      throw file.corrupt(`it is more than ${DEEPEST_BRANCH} branches deep`, page.id);
    else path.push(descend(file, page, upper));
  }
}

/** A branch outlives the reads below it, so its bytes are copied. */
function descend(file: BoltFile, page: TreePage, upper: ByteRange | undefined): Branch {
  if (page.count === 0) throw file.corrupt('it is a branch without children', page.id);
  const { buffer, byteOffset, byteLength } = page.view;
  const copy = new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
  return { page: new TreePage(page.id, false, copy), upper, next: 0 };
}

function checkBounds(file: BoltFile, page: TreePage, lower: ByteRange, upper: ByteRange | undefined): void {
  if (page.count === 0) return;
  if (compare(page.key(0), lower) < 0)
    throw file.corrupt('its first key is before the one its branch has for it', page.id);
  if (upper !== undefined && compare(page.key(page.count - 1), upper) >= 0) {
    throw file.corrupt('its last key is not before the next one of the branches above', page.id);
  }
}

function compare(left: ByteRange, right: ByteRange): number {
  return compareBytes(left.view, left.start, left.end, right.view, right.start, right.end);
}
