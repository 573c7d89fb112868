import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
/** Stands for what a template puts in. */
const GAP = '…';

/** A text of the source: `error` for the message of one of our errors, with the file that raises it. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
  readonly isErrorMessage: boolean;
}

/** Every text that stands in the TypeScript files below the given folders, with a gap for each value that is put in. */
export function sourceTexts(...folders: readonly string[]): SourceText[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => textsOf(join(folder, file))),
  );
}

function textsOf(file: string): SourceText[] {
  const found: SourceText[] = [];
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    const text = textOf(node);
    if (text !== undefined) found.push({ file, text, isErrorMessage: isMessage(node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Also of texts that are put together with "+". */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => GAP + literal.text).join('');
  }
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression);
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
  const [left, right] = [textOf(node.left), textOf(node.right)];
  return left === undefined && right === undefined ? undefined : `${left ?? GAP}${right ?? GAP}`;
}

/** Whether it is, or is chosen for, the first argument of `new SomethingError(…)`. */
function isMessage(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isConditionalExpression(parent) && parent.condition !== node) return isMessage(parent);
  return (
    ts.isNewExpression(parent) && parent.arguments?.[0] === node && /[a-z]Error$/.test(parent.expression.getText())
  );
}

/** What stands between the gaps of a text, the longest first. */
export function fragmentsOf(text: string): string[] {
  return (
    text
      .split(GAP)
      // With what joins it to the next part it would not be found where that is put in.
      .map((fragment) => fragment.replace(/^[\s:;,.("]+|[\s:;,("]+$/g, ''))
      .sort((a, b) => b.length - a.length)
  );
}
