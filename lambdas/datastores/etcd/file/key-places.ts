import { bytesOf } from './bytes.ts';
import { KeyIndex } from './key-index.ts';
import { placeOf } from './kubernetes-key.ts';

/** Prefixes that nothing but Kubernetes and OpenShift use; keys below any other one need a value that proves them. */
const KNOWN_PREFIXES = ['/registry', '/kubernetes.io', '/openshift.io'];
/** An etcd that is no Kubernetes store can have any number of paths; those past this many have no place. */
const MOST_PLACES = 65_536;

/** The number of keys without a place. */
export const NO_PLACE = 0;

/** What a key's path begins with, e.g. `/registry` and `secrets`. */
export interface Place {
  readonly prefix: string;
  readonly resource: string;
}

/** Numbers the places of keys, from 1 in order of first sight, and knows which of them are of Kubernetes. */
export class KeyPlaces {
  readonly #index = new KeyIndex();
  readonly #places: Place[] = [];
  readonly #prefixes = new Set(KNOWN_PREFIXES);

  /** Those that are of Kubernetes, whether any key has them or not. */
  get prefixes(): ReadonlySet<string> {
    return this.#prefixes;
  }

  /** The number of the place that a key has, or NO_PLACE when its path is not of Kubernetes' form. */
  numberOf(view: DataView, start: number, end: number): number {
    const place = placeOf(view, start, end);
    if (place === undefined) return NO_PLACE;
    const number = this.#index.numberOf(view, start, place.end);
    if (number >= MOST_PLACES) return NO_PLACE;
    if (number === this.#places.length) {
      const prefix = bytesOf(view, start, place.prefixEnd).toString();
      this.#places.push({ prefix, resource: bytesOf(view, place.prefixEnd + 1, place.end).toString() });
    }
    return number + 1;
  }

  /** Notes that a value below the place's prefix was written by an API server. */
  prove(number: number): void {
    const place = this.#places[number - 1];
    if (place !== undefined) this.#prefixes.add(place.prefix);
  }

  /** The place with this number, or undefined when it is not of Kubernetes. */
  ofKubernetes(number: number): Place | undefined {
    const place = this.#places[number - 1];
    return place !== undefined && this.#prefixes.has(place.prefix) ? place : undefined;
  }
}
