/** A table of Markdown; cells keep their own marks, but for what would end a cell. Prettier aligns it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** As code, so that `<` and `*` stand as they are. */
export function code(text: string): string {
  return `\`${text}\``;
}

/**
 * A page with another section between the markers of a name, `<!-- begin: npm run bench -->` and its end. Throws when the page has
 * no such markers: what was measured must not vanish.
 */
export function withSection(page: string, name: string, section: string): string {
  const [begin, end] = [`<!-- begin: ${name} -->`, `<!-- end: ${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`there is no section "${name}"`);
  return `${page.slice(0, from + begin.length)}\n\n${section.trim()}\n\n${page.slice(to)}`;
}
