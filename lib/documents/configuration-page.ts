import * as z from 'zod';
import { schema } from '../../bin/commands/schema.ts';
import { code, markdownTable } from './markdown.ts';

/** What is read here of the JSON Schema that `lifeboat schema configuration` prints. */
interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

/** One line of a table: a key, what may stand there, and what holds when it is left out. */
interface Row {
  readonly key: string;
  readonly value: string;
  readonly otherwise: string;
  readonly what: string;
}

const COLUMNS = ['key', 'value', 'left out', 'what'];
const EXAMPLE = `\`\`\`yaml
store: ./recovery-points # or s3://bucket/prefix
# s3: { endpoint: https://…, region: eu-central-1, forcePathStyle: true }
managementClusters:
  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig, restore: { kubeconfig: ./mgmt-a-lifeboat-restore.kubeconfig } }
  mgmt-b: { secret: lifeboat/management-clusters/mgmt-b } # AWS Secrets Manager
policies:
  nightly:
    select: { namespaces: [clusters], names: ['prod*'] }
    schedule: 0 3 * * *
    timeZone: Europe/Berlin
    retention: { daily: 14, weekly: 8 }
    objective: 26h
    verification: live
\`\`\``;

const root = z.custom<JsonSchema>().parse(schema('configuration').json);

/** `docs/configuration.md`. */
export function configurationPage(): string {
  const sections = Object.entries(root.properties ?? {}).map(([key, property]) => [
    `## ${code(key)}`,
    table(rowsOf(property, key, root.required?.includes(key) === true)),
  ]);
  return `# Configuration: lifeboat.yaml

<!-- Written by "npm run documents" from the schema. -->

The file is found from the working directory upward, or given with \`--config <file>\`. \`--verbose\` and every error say which one is used.
An unknown key is refused, so that a typing error cannot pass as a default. Editors complete it with
\`lifeboat schema configuration > lifeboat.schema.json\`.

${EXAMPLE}

The file, and the files that it names, must belong to you or root. Nobody else may be able to write them or a folder above them.

A kubeconfig must hold exactly one context, an https server, its CA, and a client certificate or a token, all inline. \`lifeboat enroll\`
makes one. \`exec\`, auth providers, file paths and \`insecure-skip-tls-verify\` are refused.

In the tables \`<name>\` is a name of your choice, and \`[]\` stands for each entry of a list.

${sections.flat().join('\n\n')}
`;
}

function table(rows: readonly Row[]): string {
  return markdownTable(
    COLUMNS,
    rows.map(({ key, value, otherwise, what }) => [code(key), value, otherwise, what]),
  );
}

/** The key itself and all below it, in the order of the schema. */
function rowsOf(given: JsonSchema, key: string, isRequired: boolean): Row[] {
  const one = resolve(given);
  const own = {
    key,
    value: valueOf(one),
    otherwise: isRequired ? 'required' : one.default === undefined ? '-' : code(JSON.stringify(one.default)),
    what: [one.description ?? given.description ?? '-', ...examples(one)].join(' '),
  };
  return [own, ...childrenOf(one, key)];
}

function childrenOf(one: JsonSchema, key: string): Row[] {
  const { required = [], additionalProperties, items, anyOf = [] } = one;
  if (typeof additionalProperties === 'object') {
    const entry = resolve(additionalProperties);
    return entry.properties === undefined && entry.anyOf === undefined
      ? []
      : rowsOf(additionalProperties, `${key}.<name>`, false);
  }
  if (items !== undefined) return childrenOf(resolve(items), `${key}[]`);
  const alternatives = anyOf.map(resolve);
  const merged = Object.fromEntries([one, ...alternatives].flatMap((part) => Object.entries(part.properties ?? {})));
  // What one has to choose from comes first.
  const choices = alternatives.flatMap((alternative) => alternative.required ?? []);
  const names = new Set([...choices, ...Object.keys(merged)]);
  return [...names].flatMap((name) => {
    const property = merged[name];
    return property === undefined ? [] : rowsOf(property, `${key}.${name}`, required.includes(name));
  });
}

function resolve(one: JsonSchema): JsonSchema {
  if (one.$ref === undefined) return one;
  const found = root.$defs?.[one.$ref.split('/').at(-1) ?? ''];
  if (found === undefined) throw new Error(`the schema has no ${one.$ref}`);
  return found;
}

function valueOf(one: JsonSchema): string {
  const { type, enum: values, additionalProperties, items, anyOf } = one;
  if (values !== undefined) return values.map((value) => code(String(value))).join(', ');
  if (anyOf !== undefined) {
    const keys = anyOf.map((alternative) => resolve(alternative).required?.map(code).join(', '));
    const kinds = anyOf.map((alternative) => valueOf(resolve(alternative)));
    return keys.every((key) => key !== undefined) ? `one of ${keys.join(', ')}` : [...new Set(kinds)].join(' or ');
  }
  if (items !== undefined) return `list of ${plural(valueOf(resolve(items)))}`;
  if (type === 'object') return typeof additionalProperties === 'object' ? 'entries by name' : 'section';
  if (type === 'boolean') return '`true`, `false`';
  return type === 'integer' ? 'number' : type === 'string' ? 'text' : (type ?? 'value');
}

function plural(value: string): string {
  return value.startsWith('`') ? value : value === 'text' ? 'texts' : `${value}s`;
}

function examples({ examples: given = [] }: JsonSchema): string[] {
  return given.length === 0 ? [] : [`For example ${given.map((example) => code(String(example))).join(', ')}.`];
}
