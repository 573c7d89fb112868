import { Stack } from 'aws-cdk-lib';
import type { Rule } from 'aws-cdk-lib/aws-events';
import { CfnPermission, Function, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

/** The service that works by rules. */
export const EVENTS = 'events.amazonaws.com';

/**
 * Rules by their name, or `<bus>/*` for all of a bus, as a right on something names them (`aws:SourceArn`). A right that refers to
 * its rule is made after it, and what the rule matches meanwhile is lost; and each rule takes one of its own, for which there is no room.
 */
export function rulesNamed(scope: Construct, resourceName: string): string {
  return Stack.of(scope).formatArn({ service: 'events', resource: 'rule', resourceName });
}

interface CalledByRulesOptions {
  readonly functionArn: string;
  /** Of `rulesNamed`. */
  readonly rules: string;
}

/** A function that rules call: one right for all of them, which is there before they are. */
export class CalledByRules extends Construct {
  /** As targets of rules are to have it: to any other they add a right each. */
  readonly function: IFunction;
  readonly permission: CfnPermission;

  constructor(scope: Construct, id: string, { functionArn, rules }: CalledByRulesOptions) {
    super(scope, id);
    const attributes = { functionArn, sameEnvironment: false, skipPermissions: true };
    this.function = Function.fromFunctionAttributes(this, 'Function', attributes);
    this.permission = new CfnPermission(this, 'Permission', {
      action: 'lambda:InvokeFunction',
      functionName: functionArn,
      principal: EVENTS,
      sourceArn: rules,
    });
  }

  /** A rule may call as soon as it is there. */
  isReadyBefore(rule: Rule): void {
    rule.node.addDependency(this.permission);
  }
}
