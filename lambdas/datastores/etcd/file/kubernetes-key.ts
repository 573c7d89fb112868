import { compareBytes } from './bytes.ts';

const SLASH = 0x2f;
const DOT = 0x2e;
/** Service objects and their endpoints share one word: `/registry/services/specs/...`, `/registry/services/endpoints/...`. */
const SERVICES = new DataView(new TextEncoder().encode('services').buffer);
/** No name of a group or resource is nearly as long. */
const LONGEST_PLACE_BYTES = 512;

/** What a key's path begins with, as offsets: the prefix is `start` to `prefixEnd`, the resource `prefixEnd + 1` to `end`. */
export interface KeyPlace {
  readonly prefixEnd: number;
  readonly end: number;
}

/**
 * The place of a key whose path has the form that Kubernetes uses, else undefined: `/<prefix>/<resource>/...`, where the
 * resource has two parts when the first is the name of a group (it has a dot) or is `services`.
 */
export function placeOf(view: DataView, start: number, end: number): KeyPlace | undefined {
  if (start === end || view.getUint8(start) !== SLASH) return undefined;
  const prefixEnd = partEnd(view, start + 1, end);
  const resourceEnd = partEnd(view, prefixEnd + 1, end);
  if (prefixEnd === start + 1 || resourceEnd <= prefixEnd + 1) return undefined;
  const twoParts = hasDot(view, prefixEnd + 1, resourceEnd) || isServices(view, prefixEnd + 1, resourceEnd);
  const placeEnd = twoParts && resourceEnd < end ? partEnd(view, resourceEnd + 1, end) : resourceEnd;
  return placeEnd - start > LONGEST_PLACE_BYTES ? undefined : { prefixEnd, end: placeEnd };
}

function partEnd(view: DataView, start: number, end: number): number {
  let at = start;
  while (at < end && view.getUint8(at) !== SLASH) at += 1;
  return at;
}

function hasDot(view: DataView, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (view.getUint8(at) === DOT) return true;
  return false;
}

function isServices(view: DataView, start: number, end: number): boolean {
  return compareBytes(view, start, end, SERVICES, 0, SERVICES.byteLength) === 0;
}
