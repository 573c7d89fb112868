import { Aws, Validations } from 'aws-cdk-lib';
import {
  CfnVPCEndpoint,
  Peer,
  Port,
  SecurityGroup,
  Subnet,
  Vpc,
  type ISecurityGroup,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { Deployment } from '../lambdas/domain/deployment.ts';

/** Everything that functions call besides API servers and S3, by the names of the endpoints' services. */
const SERVICES = {
  Sts: 'sts',
  SecretsManager: 'secretsmanager',
  Kms: 'kms',
  StepFunctions: 'states',
  EventBridge: 'events',
  Logs: 'logs',
  Scheduler: 'scheduler',
} as const;

/** The network of the user's in which the functions run, as its ids describe it: nothing is looked up. */
export class Network extends Construct {
  readonly vpc: IVpc;
  readonly vpcSubnets: SubnetSelection;
  readonly securityGroups: ISecurityGroup[];

  constructor(scope: Construct, id: string, options: NonNullable<Deployment['vpc']>) {
    super(scope, id);
    const { vpcId, subnetIds, securityGroupIds, createEndpoints, routeTableIds } = options;
    // Nothing here depends on zones or routes, but the library wants to know.
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones: ['unused'] });
    Validations.of(this).acknowledge({
      id: '@aws-cdk/aws-ec2:noSubnetRouteTableId',
      reason: 'The one endpoint that needs route tables is told of them.',
    });
    this.vpcSubnets = { subnets: subnetIds.map((subnetId) => Subnet.fromSubnetId(this, subnetId, subnetId)) };
    this.securityGroups = securityGroupIds?.map((given) =>
      SecurityGroup.fromSecurityGroupId(this, given, given, { mutable: false }),
    ) ?? [this.#createSecurityGroup()];
    if (createEndpoints) this.#createEndpoints(vpcId, subnetIds, routeTableIds ?? []);
  }

  #createSecurityGroup(): SecurityGroup {
    const group = new SecurityGroup(this, 'SecurityGroup', {
      vpc: this.vpc,
      description: 'Functions of Lifeboat: to AWS and to API servers, and nothing comes in',
      allowAllOutbound: false,
    });
    group.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS, and API servers behind a load balancer');
    group.addEgressRule(Peer.anyIpv4(), Port.tcp(6443), 'API servers');
    return group;
  }

  #createEndpoints(vpcId: string, subnetIds: string[], routeTableIds: string[]): void {
    new CfnVPCEndpoint(this, 'S3', {
      vpcId,
      serviceName: `com.amazonaws.${Aws.REGION}.s3`,
      vpcEndpointType: 'Gateway',
      routeTableIds,
    });
    const group = new SecurityGroup(this, 'EndpointSecurityGroup', {
      vpc: this.vpc,
      description: 'Endpoints of Lifeboat: only its functions come in',
      allowAllOutbound: false,
    });
    for (const functions of this.securityGroups) {
      group.addIngressRule(Peer.securityGroupId(functions.securityGroupId), Port.tcp(443), 'Functions of Lifeboat');
    }
    for (const [name, service] of Object.entries(SERVICES)) {
      new CfnVPCEndpoint(this, name, {
        vpcId,
        serviceName: `com.amazonaws.${Aws.REGION}.${service}`,
        vpcEndpointType: 'Interface',
        privateDnsEnabled: true,
        subnetIds,
        securityGroupIds: [group.securityGroupId],
      });
    }
  }
}
