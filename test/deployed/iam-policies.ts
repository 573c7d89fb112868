import * as z from 'zod';
import { matchesWildcards } from '../suite/iam-wildcards.ts';
import type { IamRequest } from './iam-requests.ts';

const textOrTexts = z.union([z.string(), z.array(z.string())]).transform((given) => [given].flat());
const statementSchema = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: textOrTexts,
  Resource: textOrTexts,
  Condition: z
    .record(z.string(), z.record(z.string(), z.union([textOrTexts, z.boolean().transform((given) => [String(given)])])))
    .default({}),
});
export type Statement = z.infer<typeof statementSchema>;

const documentSchema = z.object({
  Statement: z.union([statementSchema.transform((one) => [one]), z.array(statementSchema)]),
});

/** The statements of a policy's text as IAM gives it; what this does not know is an error. */
export function parsePolicy(document: string): Statement[] {
  return documentSchema.parse(JSON.parse(document)).Statement;
}

/** IAM User Guide, "Policy evaluation logic", of one account's identities: a Deny wins, and without an Allow nothing is allowed. */
export function isAllowed(statements: readonly Statement[], request: IamRequest): boolean {
  const applying = statements.filter((statement) => applies(statement, request));
  return applying.some(({ Effect }) => Effect === 'Allow') && !applying.some(({ Effect }) => Effect === 'Deny');
}

export function applies({ Action, Resource, Condition }: Statement, request: IamRequest): boolean {
  return (
    Action.some((pattern) => matchesWildcards(pattern, request.action)) &&
    Resource.some((pattern) => matchesWildcards(pattern, request.resource)) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => holds(operator, wanted, request.context[key.toLowerCase()])),
    )
  );
}

/** IAM User Guide, "IAM JSON policy elements: Condition operators". */
function holds(operator: string, wanted: readonly string[], given: string | undefined): boolean {
  if (operator.endsWith('IfExists')) {
    return given === undefined || holds(operator.slice(0, -'IfExists'.length), wanted, given);
  }
  switch (operator) {
    case 'Null':
      return wanted.includes(String(given === undefined));
    case 'StringEquals':
    case 'Bool':
      return given !== undefined && wanted.includes(given);
    case 'StringLike':
      return given !== undefined && wanted.some((pattern) => matchesWildcards(pattern, given));
    default:
      throw new Error(`condition operator ${operator} is not known here`);
  }
}
