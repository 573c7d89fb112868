import { inspect } from 'node:util';

const MARKER = '[secret]';

/** A value that must never reach a log, an error or an event: every way of printing it gives a marker. */
export class Secret<T extends string | Uint8Array = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself, for the one call that needs it. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return MARKER;
  }

  toJSON(): string {
    return MARKER;
  }

  [inspect.custom](): string {
    return MARKER;
  }
}
