import { Aws, Fn } from 'aws-cdk-lib';

/** What no other stack has, not even a later one of the same name: ends names of what is left of a deleted stack, if only for a while. */
export const STACK_ID = Fn.select(2, Fn.split('/', Aws.STACK_ID));

/** The same for names that may not be long. */
export const SHORT_STACK_ID = Fn.select(0, Fn.split('-', STACK_ID));
