import { type BoltMeta, PAGE_HEADER_BYTES, readNewestMeta } from './bolt-meta.ts';
import { bytesOf, readU64 } from './bytes.ts';
import { corruptFile } from './corrupt-file.ts';
import { Bitmap } from './bitmap.ts';
import type { PageSource } from './page-source.ts';
import { PageFault, TreePage } from './tree-page.ts';

const BRANCH_FLAG = 0x01;
const LEAF_FLAG = 0x02;
const META_PAGES = 2;
const BUCKET_HEADER_BYTES = 16;

/**
 * bbolt splits pages at the page size, so only a few very large values make a page of more than that. These bounds are
 * far above what etcd accepts (1.5 MiB a request unless told otherwise) and keep a damaged length from taking all memory.
 */
const LARGEST_LEAF_BYTES = 64 * 1024 * 1024;
const LARGEST_BRANCH_BYTES = 1024 * 1024;

/** Where a bucket's tree starts: a page, or (small buckets) a page image copied out of the value that holds it. */
export interface BucketRef {
  readonly name: string;
  readonly root: number | { readonly inline: DataView; readonly page: number };
}

/** A bbolt file with a valid meta page whose figures fit the file. */
export class BoltFile {
  readonly meta: BoltMeta;
  readonly root: BucketRef;
  readonly #source: PageSource;

  /** Throws CorruptSnapshotError when no meta page is valid or the newest one points outside of the file. */
  constructor(source: PageSource) {
    const meta = readNewestMeta(source);
    if (meta === undefined) throw corruptFile(source.path, 'neither of its two meta pages is one of a bbolt file');
    this.#source = source;
    this.meta = meta;
    this.root = { name: 'root', root: meta.rootPage };
    if (meta.highWater < META_PAGES) throw this.corrupt('its meta page counts itself out');
    const sizeBytes = meta.highWater * meta.pageSizeBytes;
    if (sizeBytes > source.sizeBytes) throw this.corrupt(`it should hold ${sizeBytes} bytes of pages and is shorter`);
  }

  /** An account of pages in which only the meta pages are taken; one for each walk. */
  ledger(): Bitmap {
    const ledger = new Bitmap(this.meta.highWater);
    for (let page = 0; page < META_PAGES; page += 1) ledger.mark(page);
    return ledger;
  }

  corrupt(reason: string, page?: number) {
    return corruptFile(this.#source.path, reason, page === undefined ? {} : { page });
  }

  /**
   * The page `id` of a tree, checked on its own, and marked in the ledger with its overflow pages. Its view is good
   * until the next read of the file.
   */
  treePage(id: number, ledger: Bitmap): TreePage {
    const first = this.claim(id, ledger);
    const flags = pageFlags(first);
    const isLeaf = flags === LEAF_FLAG;
    if (!isLeaf && flags !== BRANCH_FLAG) throw this.corrupt(`its type ${flags} is neither branch nor leaf`, id);
    const sizeBytes = this.logicalSize(first);
    if (sizeBytes > (isLeaf ? LARGEST_LEAF_BYTES : LARGEST_BRANCH_BYTES)) {
      throw this.corrupt(`it claims to be ${sizeBytes} bytes long`, id);
    }
    const view = sizeBytes === first.byteLength ? first : this.#source.read(id * this.meta.pageSizeBytes, sizeBytes);
    return this.onPage(id, () => new TreePage(id, isLeaf, view));
  }

  /** The single leaf of an inline bucket. */
  inlinePage(image: DataView, page: number): TreePage {
    const wellFormed = image.byteLength >= PAGE_HEADER_BYTES && pageFlags(image) === LEAF_FLAG;
    if (!wellFormed || readU64(image, 0) !== 0 || image.getUint32(12, true) !== 0) {
      throw this.corrupt('a bucket kept inside of it is not a page', page);
    }
    return this.onPage(page, () => new TreePage(page, true, image));
  }

  /** The first physical page of the page `id`, after the checks that hold for every type; marks it and its overflow pages. */
  claim(id: number, ledger: Bitmap): DataView {
    const { pageSizeBytes, highWater } = this.meta;
    if (id < META_PAGES || id >= highWater) {
      throw this.corrupt(`it is pointed to, but pages are 2 to ${highWater - 1}`, id);
    }
    const view = this.#source.read(id * pageSizeBytes, pageSizeBytes);
    if (readU64(view, 0) !== id) throw this.corrupt(`it says that it is page ${readU64(view, 0)}`, id);
    const last = id + this.logicalSize(view) / pageSizeBytes - 1;
    if (last >= highWater) throw this.corrupt(`it reaches to page ${last}, beyond the last one ${highWater - 1}`, id);
    for (let page = id; page <= last; page += 1) {
      if (!ledger.mark(page)) throw this.corrupt('it is used twice', page);
    }
    return view;
  }

  /** Bytes of a page with its overflow pages, as its header says. */
  logicalSize(view: DataView): number {
    return (view.getUint32(12, true) + 1) * this.meta.pageSizeBytes;
  }

  /** The bucket that the entry `index` of a leaf holds; its contents are copied when they lie in the entry itself. */
  bucketAt(leaf: TreePage, index: number): BucketRef {
    const start = leaf.keyEnd(index);
    const end = leaf.valueEnd(index);
    if (!leaf.isBucket(index)) throw this.corrupt(`its entry ${index} should be a bucket and is a value`, leaf.id);
    if (end - start < BUCKET_HEADER_BYTES) throw this.corrupt(`its bucket ${index} has no header`, leaf.id);
    const name = bytesOf(leaf.view, leaf.keyStart(index), start).toString('latin1');
    const root = readU64(leaf.view, start);
    if (root !== 0) return { name, root };
    const from = leaf.view.byteOffset + start + BUCKET_HEADER_BYTES;
    const inline = new DataView(leaf.view.buffer.slice(from, leaf.view.byteOffset + end));
    return { name, root: { inline, page: leaf.id } };
  }

  /** Bytes of a page beyond its header, for pages that are no part of a tree. */
  body(id: number, offset: number, lengthBytes: number): DataView {
    return this.#source.read(id * this.meta.pageSizeBytes + PAGE_HEADER_BYTES + offset, lengthBytes);
  }

  /** Does `work` on the contents of a page; what it finds wrong there becomes an error that names the page. */
  onPage<T>(id: number, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof PageFault) throw this.corrupt(cause.message, id);
      throw cause;
    }
  }
}

/** What type of page a header says it heads. */
export function pageFlags(view: DataView): number {
  return view.getUint16(8, true);
}

/** How many entries a header says its page has. */
export function pageCount(view: DataView): number {
  return view.getUint16(10, true);
}
