import { RemovalPolicy } from 'aws-cdk-lib';

/**
 * What holds data or tells what happened is left when its stack is deleted. Not when the deployment that was to create it fails:
 * then it holds nothing, and would only be in the way of the next one.
 */
export const OUTLIVES_ITS_STACK = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
