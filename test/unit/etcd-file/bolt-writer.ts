import { encodeMeta, PAGE_HEADER_BYTES, writeHeader } from './bolt-pages.ts';

/** What a bucket holds: values, and buckets inside of it. Entries may come in any order. */
export interface BucketContents {
  readonly [key: string]: Buffer | BucketContents;
}

export interface BoltFileOptions {
  readonly pageSizeBytes?: number;
  /** Most entries on a page; small numbers make deep trees. */
  readonly mostEntries?: number;
  /** Whether the list of free pages is kept in the file. */
  readonly freelist?: boolean;
  /** Pages that nothing uses, filled with what looks like a stale leaf. */
  readonly freePages?: number;
  /** Order of the logical pages in the file: gives the position for each of `count`. */
  readonly shuffle?: (count: number) => readonly number[];
}

interface Item {
  readonly key: Buffer;
  /** Bytes of the value, written once the ids of pages are known. */
  readonly value?: { readonly sizeBytes: number; write(): Buffer };
  readonly child?: Node;
  readonly isBucket?: boolean;
}

interface Node {
  readonly isLeaf: boolean;
  readonly items: readonly Item[];
  readonly pages: number;
  id: number;
}

const ELEMENT_BYTES = 16;
const BUCKET_HEADER_BYTES = 16;
const FIRST_PAGE = 2;
const LEAF = 2;
const BRANCH = 1;
const FREELIST = 16;
const COUNT_IS_IN_LIST = 0xffff;
const NOT_PERSISTED = 2n ** 64n - 1n;

/**
 * A bbolt file made from nothing but the format's description, for tests of the reader with page sizes, depths and
 * orders that an etcd does not give on demand. Keys are latin1 text.
 */
export function writeBoltFile(root: BucketContents, options: BoltFileOptions = {}): Buffer {
  const { pageSizeBytes = 4096, mostEntries = 1000, freelist = false, freePages = 0 } = options;
  const nodes: Node[] = [];

  const tree = (contents: BucketContents): Node => {
    const entries = Object.entries(contents).map(([key, value]) => ({ key: Buffer.from(key, 'latin1'), value }));
    entries.sort((left, right) => left.key.compare(right.key));
    let level = nodesOf(
      true,
      entries.map(({ key, value }) => itemOf(key, value)),
    );
    while (level.length > 1)
      level = nodesOf(
        false,
        level.map((child) => ({ key: firstKey(child), child })),
      );
    const [top] = level;
    return top ?? addNode(true, []);
  };
  const itemOf = (key: Buffer, value: Buffer | BucketContents): Item => {
    if (Buffer.isBuffer(value)) return { key, value: { sizeBytes: value.length, write: () => value } };
    const inline = inlineImage(value, pageSizeBytes);
    if (inline !== undefined) return { key, isBucket: true, value: { sizeBytes: inline.length, write: () => inline } };
    const bucket = tree(value);
    return { key, isBucket: true, value: { sizeBytes: BUCKET_HEADER_BYTES, write: () => bucketHeader(bucket.id) } };
  };
  const nodesOf = (isLeaf: boolean, items: readonly Item[]): Node[] => {
    const groups: Item[][] = [];
    let room = 0;
    for (const item of items) {
      const group = groups.at(-1);
      const fewest = isLeaf ? 1 : 2;
      const fits = group !== undefined && group.length < mostEntries && itemSize(item) <= room;
      if (group !== undefined && (fits || group.length < fewest)) group.push(item);
      else groups.push([item]);
      room = (groups.at(-1)?.length === 1 ? pageSizeBytes - PAGE_HEADER_BYTES : room) - itemSize(item);
    }
    return groups.map((group) => addNode(isLeaf, group));
  };
  const addNode = (isLeaf: boolean, items: readonly Item[]): Node => {
    const sizeBytes = items.reduce((sum, item) => sum + itemSize(item), PAGE_HEADER_BYTES);
    const node = { isLeaf, items, pages: Math.ceil(sizeBytes / pageSizeBytes), id: 0 };
    nodes.push(node);
    return node;
  };

  const top = tree(root);
  const order = options.shuffle?.(nodes.length) ?? nodes.map((_, index) => index);
  let next = FIRST_PAGE;
  for (const position of order) {
    const node = nodes[position] as Node;
    node.id = next;
    next += node.pages;
  }
  const free = Array.from({ length: freePages }, (_, index) => next + index);
  next += freePages;
  const freelistPage = next;
  const listBytes = PAGE_HEADER_BYTES + (free.length + (free.length >= COUNT_IS_IN_LIST ? 1 : 0)) * 8;
  if (freelist) next += Math.ceil(listBytes / pageSizeBytes);

  const file = Buffer.alloc(next * pageSizeBytes);
  for (const node of nodes)
    writeNode(file.subarray(node.id * pageSizeBytes, (node.id + node.pages) * pageSizeBytes), node);
  for (const id of free) {
    writeHeader(file.subarray(id * pageSizeBytes), { id, flags: LEAF, count: 3, overflow: 0 });
    file.fill(0xaa, id * pageSizeBytes + PAGE_HEADER_BYTES, (id + 1) * pageSizeBytes);
  }
  if (freelist) writeFreelist(file.subarray(freelistPage * pageSizeBytes), freelistPage, free, next - freelistPage);
  const meta = {
    pageSizeBytes,
    root: top.id,
    freelist: freelist ? BigInt(freelistPage) : NOT_PERSISTED,
    highWater: next,
  };
  for (const page of [0, 1]) encodeMeta({ ...meta, transaction: 10 - page }, page).copy(file, page * pageSizeBytes);
  return file;
}

function firstKey(node: Node): Buffer {
  return node.items[0]?.key ?? Buffer.alloc(0);
}

function itemSize(item: Item): number {
  return ELEMENT_BYTES + item.key.length + (item.value?.sizeBytes ?? 0);
}

function bucketHeader(root: number): Buffer {
  const header = Buffer.alloc(BUCKET_HEADER_BYTES);
  header.writeBigUInt64LE(BigInt(root));
  return header;
}

/** The value of a bucket small enough to be kept in its entry, as bbolt does it up to a quarter of a page. */
function inlineImage(contents: BucketContents, pageSizeBytes: number): Buffer | undefined {
  const values = Object.entries(contents).flatMap(([key, value]) => (Buffer.isBuffer(value) ? [{ key, value }] : []));
  if (values.length < Object.keys(contents).length) return undefined;
  const items = values
    .map(({ key, value }) => ({
      key: Buffer.from(key, 'latin1'),
      value: { sizeBytes: value.length, write: () => value },
    }))
    .sort((left, right) => left.key.compare(right.key));
  const sizeBytes = items.reduce((sum, item) => sum + itemSize(item), PAGE_HEADER_BYTES);
  if (sizeBytes > pageSizeBytes / 4) return undefined;
  const image = Buffer.alloc(sizeBytes);
  writeNode(image, { isLeaf: true, items, pages: 1, id: 0 });
  return Buffer.concat([bucketHeader(0), image]);
}

function writeNode(page: Buffer, { id, isLeaf, items, pages }: Node): void {
  writeHeader(page, { id, flags: isLeaf ? LEAF : BRANCH, count: items.length, overflow: pages - 1 });
  let data = PAGE_HEADER_BYTES + items.length * ELEMENT_BYTES;
  for (const [index, { key, value, child, isBucket }] of items.entries()) {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    if (isLeaf) {
      page.writeUInt32LE(isBucket === true ? 1 : 0, element);
      page.writeUInt32LE(data - element, element + 4);
      page.writeUInt32LE(key.length, element + 8);
      page.writeUInt32LE(value?.sizeBytes ?? 0, element + 12);
    } else {
      page.writeUInt32LE(data - element, element);
      page.writeUInt32LE(key.length, element + 4);
      page.writeBigUInt64LE(BigInt(child?.id ?? 0), element + 8);
    }
    data += key.copy(page, data);
    if (value !== undefined) data += value.write().copy(page, data);
  }
}

function writeFreelist(page: Buffer, id: number, free: readonly number[], pages: number): void {
  const long = free.length >= COUNT_IS_IN_LIST;
  writeHeader(page, { id, flags: FREELIST, count: long ? COUNT_IS_IN_LIST : free.length, overflow: pages - 1 });
  const list = long ? [free.length, ...free] : free;
  for (const [index, number] of list.entries()) page.writeBigUInt64LE(BigInt(number), PAGE_HEADER_BYTES + index * 8);
}
