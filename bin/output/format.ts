/** `850 ms`, `12.3 s`, `4 min 10 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** How long ago, in the largest unit that fits: `40 s`, `12 min`, `5 h`, `3 d`. */
export function formatAge(since: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - since.getTime()) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** CRC-32C values as etcdutl prints them. */
export function formatHash(hash: number): string {
  return hash.toString(16);
}

/** What every terminal shows in one line. */
const NARROWEST_COLUMNS = 80;
/** A last column of sentences is broken into lines of no less than this. */
const NARROWEST_SENTENCE = 24;
const GAP = '  ';

/**
 * Columns under upper-case headings, two spaces apart; the last column is not padded. Rows that are wider than the terminal
 * go on in further lines, indented, and the headings with them; sentences in the last column are broken. Names never are: they
 * are there to be copied.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns = process.stdout.isTTY ? Math.max(NARROWEST_COLUMNS, process.stdout.columns) : Infinity,
): string {
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const sentence = lines.some((line) => line.at(-1)?.includes(' '));
  const parts = partsOf(widths, columns, sentence);
  return lines.map((line) => formatRow(line, widths, parts, columns)).join('\n');
}

/** Which columns stand in each line of a row: as many as fit. */
function partsOf(widths: readonly number[], columns: number, sentence: boolean): number[][] {
  const parts: number[][] = [];
  let left = 0;
  for (const [column, width] of widths.entries()) {
    const isSentence = sentence && column === widths.length - 1;
    const needed = isSentence ? Math.min(width, NARROWEST_SENTENCE) : width;
    const part = parts.at(-1);
    if (part !== undefined && needed + GAP.length <= left) {
      part.push(column);
      left -= width + GAP.length;
    } else {
      left = columns - width - (part === undefined ? 0 : GAP.length);
      parts.push([column]);
    }
  }
  return parts;
}

function formatRow(
  cells: readonly string[],
  widths: readonly number[],
  parts: readonly (readonly number[])[],
  columns: number,
): string {
  return parts
    .map((part, index) => {
      const last = part.at(-1);
      const padded = part.map((column) => {
        const cell = cells[column] ?? '';
        return column === last ? cell : cell.padEnd(widths[column] ?? 0) + GAP;
      });
      const before = (index === 0 ? '' : GAP) + padded.slice(0, -1).join('');
      const text = padded.at(-1) ?? '';
      const broken = last === widths.length - 1 ? brokenAtSpaces(text, columns - before.length) : [text];
      return broken
        .map((line, number) => `${number === 0 ? before : ' '.repeat(before.length)}${line}`.trimEnd())
        .join('\n');
    })
    .join('\n');
}

/** Lines of at most `columns`, unless a word is longer; what stands in quotes, e.g. a command, is one. */
function brokenAtSpaces(text: string, columns: number): string[] {
  if (text.length <= columns) return [text];
  const lines: string[] = [];
  for (const [word] of text.matchAll(/(?:"[^"]*"|\S)+/g)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
