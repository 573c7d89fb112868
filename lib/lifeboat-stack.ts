import { CfnOutput, Stack, type Environment } from 'aws-cdk-lib';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Configuration } from '../lambdas/domain/configuration.ts';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { PURPOSES } from '../lambdas/domain/purpose.ts';
import { alarmTopic } from './alarm-topic.ts';
import { Alarms } from './alarms.ts';
import { BackUpFleet } from './back-up-fleet.ts';
import { ConfigurationLayer } from './configuration-layer.ts';
import { Arrivals, Hooks } from './events.ts';
import { pascalCase } from '../statemachines/description/pascal-case.ts';
import type { Surroundings } from './lifeboat-function.ts';
import { Network } from './network.ts';
import { Observability } from './observability.ts';
import { PolicySchedules } from './policy-schedules.ts';
import { RecoveryPointBucket } from './recovery-point-bucket.ts';
import { RestoreControlPlane } from './restore-control-plane.ts';

export interface LifeboatStackOptions {
  readonly configuration: Configuration;
  readonly deployment: Deployment;
  /** The directory of each function's code, by its name. */
  readonly bundles: Readonly<Record<string, string>>;
}

/** The application as one stack. */
export class LifeboatStack extends Stack {
  constructor(scope: Construct, { configuration, deployment, bundles }: LifeboatStackOptions) {
    const { stackName, account, region, tags, permissionsBoundary } = deployment;
    const env: Environment = { ...(account !== undefined && { account }), ...(region !== undefined && { region }) };
    super(scope, stackName, {
      stackName,
      env,
      tags,
      description: 'Lifeboat: recovery points of hosted control planes',
      // CloudFormation counts white space as well.
      suppressTemplateIndentation: true,
    });
    if (permissionsBoundary !== undefined) {
      const boundary = ManagedPolicy.fromManagedPolicyArn(this, 'Boundary', permissionsBoundary);
      PermissionsBoundary.of(this).apply(boundary);
    }
    const bus = new EventBus(this, 'Bus', {
      eventBusName: stackName,
      description: 'What Lifeboat has done',
    }) as IEventBus;
    const surroundings: Surroundings = {
      configuration,
      deployment,
      bundles,
      layer: new ConfigurationLayer(this, 'Configuration', configuration),
      store: new RecoveryPointBucket(this, 'RecoveryPoints', deployment),
      bus,
      alarms: new Alarms(alarmTopic(this, deployment)),
      network: deployment.vpc && new Network(this, 'Network', deployment.vpc),
    };
    const fleet = new BackUpFleet(this, 'BackUpFleet', surroundings);
    const restore = new RestoreControlPlane(this, 'RestoreControlPlane', surroundings, fleet);
    const { machine } = fleet;
    const { group, starter } = new PolicySchedules(this, 'PolicySchedules', surroundings, machine);
    const { verifier } = new Arrivals(this, 'Arrivals', surroundings);
    new Hooks(this, 'Hooks', surroundings);
    const functions = [...new Set([...fleet.steps.values(), ...restore.steps.values(), verifier, starter])];
    new Observability(this, 'Observability', surroundings, {
      machine,
      restoreMachine: restore.machine,
      group,
      functions,
    });

    new CfnOutput(this, 'Store', { value: surroundings.store.location, description: '"store" for lifeboat.yaml' });
    if (surroundings.store.key !== undefined) {
      const description = '"aws.kmsKeyArn", when another stack is to take up the bucket';
      new CfnOutput(this, 'Key', { value: surroundings.store.key.keyArn, description });
    }
    new CfnOutput(this, 'EventBus', { value: bus.eventBusArn, description: 'For rules of your own' });
    new CfnOutput(this, 'Machine', { value: machine.stateMachineArn, description: 'Runs policies' });
    new CfnOutput(this, 'RestoreMachine', {
      value: restore.machine.stateMachineArn,
      description: 'Restores a control plane',
    });
    for (const purpose of PURPOSES) {
      const roles = functions.filter(({ kubeconfigs }) => kubeconfigs === purpose).map(({ role }) => role.roleArn);
      new CfnOutput(this, pascalCase(`${purpose}-cluster-roles`), {
        value: roles.join(','),
        description: `Roles that talk to management clusters for a ${purpose}: for access entries of EKS`,
      });
    }
  }
}
