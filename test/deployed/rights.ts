import type { AwsCall } from './aws-calls.ts';
import type { DeployedRole } from './cloud.ts';
import { applies, isAllowed } from './iam-policies.ts';
import { iamRequestsOf, type Account, type IamRequest } from './iam-requests.ts';
import { REASONS } from './unused-rights.ts';

type Roles = ReadonlyMap<string, DeployedRole>;

interface Judgement {
  readonly requests: readonly IamRequest[];
  /** Lines for people: what a role has done and may not do. */
  readonly denied: readonly string[];
}

/** Asks of every recorded call whether its role may do it, and of `invocations`, which services have made by a role. */
export function judgeCalls(
  calls: readonly AwsCall[],
  invocations: readonly IamRequest[],
  roles: Roles,
  account: Account,
): Judgement {
  const requests = [...calls.flatMap((call) => iamRequestsOf(call, account)), ...invocations];
  const denied = requests.filter((request) => !isAllowed(roles.get(request.role)?.statements ?? [], request));
  const lines = denied.map(
    ({ role, action, resource }) => `${roles.get(role)?.name ?? `unknown role "${role}"`} ${action} ${resource}`,
  );
  return { requests, denied: [...new Set(lines)].sort() };
}

interface Unused {
  /** What no call has used and no reason stands beside. */
  readonly unexplained: readonly string[];
  /** Reasons for nothing. */
  readonly idle: readonly string[];
}

/** What is granted, action by action and resource by resource, against what was asked for. */
export function findUnused(requests: readonly IamRequest[], roles: Roles): Unused {
  // A role is deployed more than once under different names; what one of them has used was of use.
  const asked = new Map<string, IamRequest[]>();
  for (const request of requests) {
    const name = roles.get(request.role)?.name ?? '';
    asked.set(name, [...(asked.get(name) ?? []), request]);
  }
  const unused = new Set<string>();
  for (const { name, statements } of roles.values()) {
    for (const statement of statements.filter(({ Effect }) => Effect === 'Allow')) {
      for (const action of statement.Action) {
        for (const resource of statement.Resource) {
          const one = { ...statement, Action: [action], Resource: [resource] };
          if (asked.get(name)?.some((request) => applies(one, request)) === true) continue;
          unused.add(`${name} ${action} ${resource}`);
        }
      }
    }
  }
  const reasonOf = (line: string) => REASONS.find(([pattern]) => pattern.test(line));
  const needed = new Set([...unused].map(reasonOf));
  return {
    unexplained: [...unused].filter((line) => reasonOf(line) === undefined).sort(),
    idle: REASONS.filter((reason) => !needed.has(reason)).map(([, reason]) => reason),
  };
}
