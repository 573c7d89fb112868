import { type BoltFile, pageCount, pageFlags } from './bolt-file.ts';
import { PAGE_HEADER_BYTES } from './bolt-meta.ts';
import { readU64 } from './bytes.ts';
import { Bitmap } from './bitmap.ts';

const FREELIST_FLAG = 0x10;
/** A count of 65535 says that the real one is the first number of the list. */
const COUNT_IS_IN_LIST = 0xffff;
const ID_BYTES = 8;
const IDS_A_READ = 4096;

/**
 * Checks the list of free pages against the pages that a finished walk met: no page is both free and in use, none is
 * free twice, and none is neither. Without a persisted list every page that was not met is free, so nothing is to check.
 */
export function checkFreelist(file: BoltFile, used: Bitmap): void {
  const { freelistPage, highWater } = file.meta;
  if (freelistPage === undefined) return;
  const page = file.claim(freelistPage, used);
  if (pageFlags(page) !== FREELIST_FLAG) throw file.corrupt('it should be the list of free pages', freelistPage);
  const sizeBytes = file.logicalSize(page);
  const skipped = pageCount(page) === COUNT_IS_IN_LIST ? 1 : 0;
  const count = skipped === 1 ? readU64(page, PAGE_HEADER_BYTES) : pageCount(page);
  if (PAGE_HEADER_BYTES + (skipped + count) * ID_BYTES > sizeBytes) {
    throw file.corrupt(`${count} free pages do not fit in it`, freelistPage);
  }
  const free = new Bitmap(highWater);
  for (let done = 0; done < count; done += IDS_A_READ) {
    const ids = Math.min(IDS_A_READ, count - done);
    const view = file.body(freelistPage, (skipped + done) * ID_BYTES, ids * ID_BYTES);
    for (let at = 0; at < ids; at += 1) {
      const id = readU64(view, at * ID_BYTES);
      if (id >= highWater) throw file.corrupt(`it lists page ${id}, which is not in the file`, freelistPage);
      if (used.has(id)) throw file.corrupt('it is in use and listed as free', id);
      if (!free.mark(id)) throw file.corrupt('it is listed as free twice', id);
    }
  }
  const lost = highWater - used.marked - free.marked;
  if (lost !== 0) throw file.corrupt(`${lost} pages are neither in use nor listed as free`, freelistPage);
}
