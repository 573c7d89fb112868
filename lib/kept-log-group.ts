import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { OUTLIVES_ITS_STACK } from './removal.ts';

interface KeptLogGroupOptions {
  readonly days: Deployment['logRetentionDays'];
  /** Made up by CloudFormation when left out. */
  readonly name?: string;
}

/** A log group that outlives the stack, and whose entries do not outlive their days. */
export class KeptLogGroup extends LogGroup {
  constructor(scope: Construct, id: string, { days, name }: KeptLogGroupOptions) {
    const known = Object.values(RetentionDays).filter((value) => typeof value === 'number');
    const retention = known.find((value: number) => value === days);
    if (retention === undefined) throw new Error(`CloudWatch Logs does not know a retention of ${days} days`);
    super(scope, id, {
      ...(name !== undefined && { logGroupName: name }),
      retention,
      removalPolicy: OUTLIVES_ITS_STACK,
    });
  }
}
