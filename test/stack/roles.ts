import * as z from 'zod';
import { matchesWildcards } from '../suite/iam-wildcards.ts';
import { asText, nameOf, type Synthesized, type TemplateResource } from './synthesized.ts';

const textOrTexts = z.union([z.string(), z.array(z.string())]).transform((given) => [given].flat());
const statementSchema = z.object({
  Effect: z.enum(['Allow', 'Deny']),
  Action: textOrTexts,
  Resource: z.unknown().transform((given) => [given].flat().map(asText)),
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});
const policySchema = z.object({
  Roles: z.array(z.unknown()).transform((roles) => roles.map(asText)),
  PolicyDocument: z.object({ Statement: z.array(statementSchema) }),
});
export type Statement = z.infer<typeof statementSchema>;

/** All that a role may do, from every policy in the template that is attached to it. */
export interface RoleRights {
  readonly name: string;
  readonly resource: TemplateResource;
  readonly statements: readonly Statement[];
  /** Whether any Allow covers it, whatever its conditions; a Deny is not looked at. */
  readonly may: (action: string, resource: string) => boolean;
}

export function rolesOf(template: Synthesized): readonly RoleRights[] {
  const policies = template.ofType('AWS::IAM::Policy').map(({ Properties }) => policySchema.parse(Properties));
  return template.ofType('AWS::IAM::Role').map((resource) => {
    const { id, Properties } = resource;
    if ('ManagedPolicyArns' in Properties || 'Policies' in Properties) {
      throw new Error(`role ${id} has policies that this does not read`);
    }
    const statements = policies
      .filter(({ Roles }) => Roles.includes(`<${id}>`))
      .flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    return {
      name: nameOf(resource),
      resource,
      statements,
      may: (action, wanted) =>
        statements.some(
          ({ Effect, Action, Resource }) =>
            Effect === 'Allow' &&
            Action.some((pattern) => matchesWildcards(pattern, action)) &&
            Resource.some((pattern) => matchesWildcards(pattern, wanted)),
        ),
    };
  });
}
