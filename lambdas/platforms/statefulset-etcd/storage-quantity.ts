import { UnsupportedError } from '../../domain/errors.ts';

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/**
 * The bytes of a quantity as Kubernetes writes sizes, e.g. `8Gi`, `1.5G`, `1e9` (apimachinery's resource.Quantity), rounded
 * down. UnsupportedError for anything else.
 */
export function parseStorageQuantity(text: string): number {
  const [, number = '', suffix = ''] = /^(\d+(?:\.\d*)?|\.\d+)([a-zA-Z]{0,2}|[eE][-+]?\d+)$/.exec(text) ?? [];
  const factor = /^[eE][-+]?\d+$/.test(suffix) ? 10 ** Number(suffix.slice(1)) : factorOf(suffix);
  if (number === '' || factor === undefined) {
    throw new UnsupportedError(`"${text}" is not a size as Kubernetes writes it`, {
      remedy: 'Compare it with the quantities of Kubernetes, and look for a newer Lifeboat.',
    });
  }
  return Math.floor(Number(number) * factor);
}

function factorOf(suffix: string): number | undefined {
  const binary = BINARY.indexOf(suffix);
  if (binary >= 0) return 1024 ** binary;
  const decimal = DECIMAL.indexOf(suffix);
  if (decimal >= 0) return 1000 ** decimal;
  return suffix === 'm' ? 1 / 1000 : undefined;
}
