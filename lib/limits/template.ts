import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const resourceSchema = z.object({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  Metadata: z.record(z.string(), z.unknown()).optional(),
});
const templateSchema = z.object({
  Resources: z.record(z.string(), resourceSchema),
  Outputs: z.record(z.string(), z.unknown()).default({}),
  Parameters: z.record(z.string(), z.unknown()).default({}),
});

/** A template with the files beside it, as `cdk synth` leaves them. */
export interface DeployableTemplate extends z.infer<typeof templateSchema> {
  readonly bytes: number;
  ofType(type: string): readonly Readonly<Record<string, unknown>>[];
  /** Path of an asset by the name under which it is uploaded. */
  asset(name: string): string;
}

export function readTemplate(directory: string, stackName: string): DeployableTemplate {
  const file = join(directory, `${stackName}.template.json`);
  const template = templateSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return {
    ...template,
    bytes: statSync(file).size,
    ofType: (type) =>
      Object.values(template.Resources).flatMap((resource) => (resource.Type === type ? [resource.Properties] : [])),
    asset: (name) => join(directory, `asset.${name.replace(/\.zip$/, '')}`),
  };
}

/** The longest that there are, so that what is measured holds in every partition, region and account. */
const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws-us-gov',
  'AWS::Region': 'ap-southeast-2',
  'AWS::AccountId': '111122223333',
  'AWS::URLSuffix': 'amazonaws.com.cn',
};
/** Stands for the ARN or name of anything that CloudFormation makes: that of a function with a name of 64 characters. */
const MADE_UP = `arn:aws-us-gov:lambda:ap-southeast-2:111122223333:function:${'x'.repeat(64)}`;

/** A value as it will be once CloudFormation has put in what it refers to. */
export function deployed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deployed);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [[intrinsic, argument] = ['', undefined]] = entries;
  if (intrinsic === 'Ref') return PSEUDO[String(argument)] ?? MADE_UP;
  if (intrinsic === 'Fn::GetAtt' || intrinsic === 'Fn::Select') return MADE_UP;
  if (intrinsic === 'Fn::Join') {
    const [delimiter, parts] = argument as [string, unknown[]];
    return parts.map((part) => String(deployed(part))).join(delimiter);
  }
  return Object.fromEntries(entries.map(([key, one]) => [key, deployed(one)]));
}
