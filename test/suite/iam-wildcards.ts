/** Whether a pattern of a policy covers a text; IAM's wildcards are `*` for any text and `?` for one character. */
export function matchesWildcards(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 'is').test(text);
}
