import { PAGE_HEADER_BYTES } from './bolt-meta.ts';
import { type ByteRange, compareBytes, readU64 } from './bytes.ts';

const ELEMENT_BYTES = 16;
const LARGEST_KEY_BYTES = 32768;
const BUCKET_FLAG = 1;

/** How a page's own contents are wrong; the caller knows the file and says which page. */
export class PageFault extends Error {}

/**
 * One logical branch or leaf page, with everything that can be known from the page alone checked on construction: every
 * key and value lies inside the page behind the elements, no key is empty, keys ascend strictly. Accessors take an index
 * below `count` and give offsets into `view`; nothing is copied.
 */
export class TreePage {
  readonly id: number;
  readonly isLeaf: boolean;
  readonly count: number;
  readonly view: DataView;
  /** A leaf's element has flags before the position of its key, a branch's has not. */
  readonly #positionField: number;

  constructor(id: number, isLeaf: boolean, view: DataView) {
    this.id = id;
    this.isLeaf = isLeaf;
    this.view = view;
    this.count = view.getUint16(10, true);
    this.#positionField = isLeaf ? 4 : 0;
    const elementsEnd = PAGE_HEADER_BYTES + this.count * ELEMENT_BYTES;
    if (elementsEnd > view.byteLength) throw new PageFault(`${this.count} entries do not fit in it`);
    for (let index = 0; index < this.count; index += 1) this.#check(index, elementsEnd);
  }

  keyStart(index: number): number {
    const element = elementAt(index);
    return element + this.view.getUint32(element + this.#positionField, true);
  }

  keyEnd(index: number): number {
    return this.keyStart(index) + this.view.getUint32(elementAt(index) + this.#positionField + 4, true);
  }

  /** End of a leaf's value, which begins where its key ends. */
  valueEnd(index: number): number {
    return this.keyEnd(index) + this.view.getUint32(elementAt(index) + 12, true);
  }

  isBucket(index: number): boolean {
    return this.view.getUint32(elementAt(index), true) === BUCKET_FLAG;
  }

  /** The page below a branch's entry. */
  child(index: number): number {
    return readU64(this.view, elementAt(index) + 8);
  }

  key(index: number): ByteRange {
    return { view: this.view, start: this.keyStart(index), end: this.keyEnd(index) };
  }

  #check(index: number, elementsEnd: number): void {
    const start = this.keyStart(index);
    const keyEnd = this.keyEnd(index);
    const end = this.isLeaf ? this.valueEnd(index) : keyEnd;
    if (start < elementsEnd || end > this.view.byteLength) throw new PageFault(`entry ${index} lies outside of it`);
    if (keyEnd === start) throw new PageFault(`entry ${index} has an empty key`);
    if (keyEnd - start > LARGEST_KEY_BYTES) throw new PageFault(`entry ${index} has a key of ${keyEnd - start} bytes`);
    if (this.isLeaf && this.view.getUint32(elementAt(index), true) > BUCKET_FLAG) {
      throw new PageFault(`entry ${index} has unknown flags`);
    }
    if (index === 0) return;
    const order = compareBytes(this.view, this.keyStart(index - 1), this.keyEnd(index - 1), this.view, start, keyEnd);
    if (order >= 0) throw new PageFault(`entry ${index} is not after the entry before it`);
  }
}

function elementAt(index: number): number {
  return PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
}
