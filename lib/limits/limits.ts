import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { deployed, type DeployableTemplate } from './template.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = KIBIBYTE * KIBIBYTE;

/** One limit of AWS that a large configuration may come to. */
export interface Limit {
  readonly what: string;
  readonly allowed: number;
  /** What the template has of it: of everything to which it applies, the largest. */
  readonly measure: (template: DeployableTemplate) => number;
}

const policySchema = z.object({ PolicyDocument: z.unknown(), Roles: z.array(z.unknown()) });
const roleSchema = z.object({
  AssumeRolePolicyDocument: z.unknown(),
  ManagedPolicyArns: z.array(z.unknown()).default([]),
});
const queuePolicySchema = z.object({ PolicyDocument: z.looseObject({ Statement: z.array(z.unknown()) }) });
const permissionSchema = z.object({
  Action: z.string(),
  FunctionName: z.unknown(),
  Principal: z.string(),
  SourceArn: z.unknown(),
});
const widgetSchema = z.object({
  properties: z.object({ metrics: z.array(z.unknown()).default([]), alarms: z.array(z.unknown()).default([]) }),
});
const definitionSchema = z.object({ DefinitionS3Location: z.object({ Key: z.string() }) });
const layerSchema = z.object({ Content: z.object({ S3Key: z.string() }) });
const targetSchema = z.object({ Target: z.object({ Input: z.unknown() }) });

/**
 * Quotas of CloudFormation, IAM, Lambda, Step Functions, CloudWatch, EventBridge, Scheduler and SQS that nobody can have raised, as their
 * guides tell them; where two hold, the lower one.
 */
export const LIMITS: readonly Limit[] = [
  { what: 'bytes of the template', allowed: 1_000_000, measure: ({ bytes }) => bytes },
  { what: 'resources', allowed: 500, measure: ({ Resources }) => Object.keys(Resources).length },
  { what: 'outputs', allowed: 200, measure: ({ Outputs }) => Object.keys(Outputs).length },
  { what: 'parameters', allowed: 200, measure: ({ Parameters }) => Object.keys(Parameters).length },
  { what: 'characters of the inline policies of a role', allowed: 10_240, measure: inlineCharacters },
  {
    what: 'characters of a managed policy',
    allowed: 6_144,
    measure: (template) =>
      largest(template.ofType('AWS::IAM::ManagedPolicy').map(({ PolicyDocument }) => characters(PolicyDocument))),
  },
  { what: 'managed policies of a role', allowed: 10, measure: managedPolicies },
  {
    what: "characters of a role's trust policy",
    allowed: 2_048,
    measure: (template) =>
      largest(
        template.ofType('AWS::IAM::Role').map((role) => characters(roleSchema.parse(role).AssumeRolePolicyDocument)),
      ),
  },
  {
    what: 'bytes of the policy of the bucket',
    allowed: 20 * KIBIBYTE,
    measure: (template) =>
      largest(template.ofType('AWS::S3::BucketPolicy').map(({ PolicyDocument }) => characters(PolicyDocument))),
  },
  {
    what: 'bytes of the environment of a function',
    allowed: 4 * KIBIBYTE,
    measure: (template) =>
      largest(template.ofType('AWS::Lambda::Function').map(({ Environment }) => characters(Environment))),
  },
  { what: 'bytes of the layer with the configuration', allowed: 250 * MEBIBYTE, measure: layerBytes },
  {
    what: 'bytes of the definition of a machine',
    allowed: MEBIBYTE,
    measure: (template) =>
      largest(
        template
          .ofType('AWS::StepFunctions::StateMachine')
          .map((machine) => statSync(template.asset(definitionSchema.parse(machine).DefinitionS3Location.Key)).size),
      ),
  },
  {
    what: 'bytes of the input of a schedule',
    allowed: 256 * KIBIBYTE,
    measure: (template) =>
      largest(
        template
          .ofType('AWS::Scheduler::Schedule')
          .map((schedule) => characters(targetSchema.parse(schedule).Target.Input)),
      ),
  },
  {
    what: 'characters of the name of a schedule',
    allowed: 64,
    measure: (template) =>
      largest(template.ofType('AWS::Scheduler::Schedule').map(({ Name = '' }) => characters(Name))),
  },
  {
    what: 'characters of the pattern of a rule',
    allowed: 2_048,
    measure: (template) =>
      largest(template.ofType('AWS::Events::Rule').map(({ EventPattern }) => characters(EventPattern))),
  },
  {
    what: 'statements of the policy of a queue',
    allowed: 20,
    measure: (template) => largest(queuePolicies(template).map(({ Statement }) => Statement.length)),
  },
  {
    what: 'bytes of the policy of a queue',
    allowed: 8 * KIBIBYTE,
    measure: (template) => largest(queuePolicies(template).map(characters)),
  },
  { what: 'bytes of the policy of a function', allowed: 20 * KIBIBYTE, measure: functionPolicyBytes },
  {
    what: 'characters of the description of an alarm',
    allowed: 1_024,
    measure: (template) =>
      largest(template.ofType('AWS::CloudWatch::Alarm').map(({ AlarmDescription }) => characters(AlarmDescription))),
  },
  { what: 'widgets of the dashboard', allowed: 500, measure: (template) => widgetsOf(template).length },
  {
    what: 'metrics of the dashboard',
    allowed: 2_500,
    measure: (template) => widgetsOf(template).reduce((sum, { properties: { metrics } }) => sum + metrics.length, 0),
  },
  {
    what: 'metrics of a widget',
    allowed: 100,
    measure: (template) => largest(widgetsOf(template).map(({ properties: { metrics } }) => metrics.length)),
  },
  {
    what: 'alarms of a widget',
    allowed: 100,
    measure: (template) => largest(widgetsOf(template).map(({ properties: { alarms } }) => alarms.length)),
  },
];

function largest(numbers: readonly number[]): number {
  return Math.max(0, ...numbers);
}

/** IAM and all others count without white space, or count what is sent, which has none. */
function characters(value: unknown): number {
  const text = deployed(value);
  return Buffer.byteLength(typeof text === 'string' ? text : JSON.stringify(text));
}

/** All inline policies of one role together. */
function inlineCharacters(template: DeployableTemplate): number {
  const sums = new Map<string, number>();
  for (const properties of template.ofType('AWS::IAM::Policy')) {
    const { PolicyDocument, Roles } = policySchema.parse(properties);
    for (const role of Roles.map((one) => JSON.stringify(one))) {
      sums.set(role, (sums.get(role) ?? 0) + characters(PolicyDocument));
    }
  }
  return largest([...sums.values()]);
}

function managedPolicies(template: DeployableTemplate): number {
  const counts = new Map<string, number>();
  for (const properties of template.ofType('AWS::IAM::ManagedPolicy')) {
    for (const role of policySchema.parse(properties).Roles.map((one) => JSON.stringify(one))) {
      counts.set(role, (counts.get(role) ?? 0) + 1);
    }
  }
  const named = template.ofType('AWS::IAM::Role').map((role) => roleSchema.parse(role).ManagedPolicyArns.length);
  return largest([...counts.values()]) + largest(named);
}

function queuePolicies(template: DeployableTemplate): z.infer<typeof queuePolicySchema>['PolicyDocument'][] {
  return template.ofType('AWS::SQS::QueuePolicy').map((policy) => queuePolicySchema.parse(policy).PolicyDocument);
}

/** Of the statements that Lambda makes of permissions, each with an id as long as one may be. */
function functionPolicyBytes(template: DeployableTemplate): number {
  const sums = new Map<string, number>();
  for (const permission of template.ofType('AWS::Lambda::Permission')) {
    const { Action, FunctionName, Principal, SourceArn } = permissionSchema.parse(permission);
    const name = JSON.stringify(FunctionName);
    const bytes = characters({
      Sid: 'x'.repeat(100),
      Effect: 'Allow',
      Principal: { Service: Principal },
      Action,
      Resource: FunctionName,
      Condition: { ArnLike: { 'AWS:SourceArn': SourceArn } },
    });
    sums.set(name, (sums.get(name) ?? 0) + bytes);
  }
  return largest([...sums.values()]);
}

function layerBytes(template: DeployableTemplate): number {
  return largest(
    template.ofType('AWS::Lambda::LayerVersion').map((layer) => {
      const folder = template.asset(layerSchema.parse(layer).Content.S3Key);
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
    }),
  );
}

function widgetsOf(template: DeployableTemplate): z.infer<typeof widgetSchema>[] {
  return template
    .ofType('AWS::CloudWatch::Dashboard')
    .flatMap(
      ({ DashboardBody }) =>
        z.object({ widgets: z.array(widgetSchema) }).parse(JSON.parse(String(deployed(DashboardBody)))).widgets,
    );
}
