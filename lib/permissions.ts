import { Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';

/** What a role may do, and to what. Actions are always spelled out. */
export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Why a resource has a wildcard; none may have one without it. */
  readonly wildcardReason?: string;
}

/** Gives a permission to a role, and records the reason of every wildcard in it where cdk-nag looks for it. */
export function permit(role: Role, { actions, resources, conditions = {}, wildcardReason }: Permission): void {
  for (const resource of resources) {
    const text = flatten(Stack.of(role).resolve(resource));
    if (!text.includes('*')) continue;
    if (wildcardReason === undefined) throw new Error(`a permission on ${text} needs a reason for its wildcard`);
    acknowledge(role, `IAM5[Resource::${text}]`, wildcardReason);
  }
  role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources], conditions }));
}

/** Accepts a finding of cdk-nag's AwsSolutions on a construct and all below it. */
export function acknowledge(scope: Parameters<typeof Validations.of>[0], rule: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

/** A resolved ARN as cdk-nag writes it in the name of a finding: references in angle brackets. */
function flatten(resolved: unknown): string {
  if (typeof resolved === 'string') return resolved;
  const [[intrinsic, argument] = ['', undefined]] = Object.entries(resolved as Readonly<Record<string, unknown>>);
  if (intrinsic === 'Ref') return `<${String(argument)}>`;
  if (intrinsic === 'Fn::GetAtt') return `<${(argument as string[]).join('.')}>`;
  if (intrinsic !== 'Fn::Join') return `<${intrinsic}>`;
  const [delimiter, parts] = argument as [string, unknown[]];
  return parts.map(flatten).join(delimiter);
}
