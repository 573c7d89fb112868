import * as z from 'zod';
import { EVENT_DETAILS, type EventType } from './events.ts';

const EVENT_TYPES = Object.keys(EVENT_DETAILS) as [EventType, ...EventType[]];
const TARGETS = ['lambda', 'sns', 'sqs', 'stateMachine', 'https'] as const;

/** `arn:<partition>:<service>:<region>:<account>:<resource>` */
const arn = (service: string, resource: string, example: string) =>
  z
    .string()
    .regex(
      new RegExp(`^arn:aws[-a-z]*:${service}:[a-z0-9-]+:\\d{12}:${resource}$`),
      `give an ARN such as arn:aws:${service}:eu-central-1:111122223333:${example}`,
    );

const httpsTarget = z
  .strictObject({
    // API reference of EventBridge, CreateApiDestination: InvocationEndpoint.
    url: z
      .url({ protocol: /^https$/, error: 'give an https URL' })
      .max(2048)
      .describe('Receives each event by POST.'),
    secret: z
      .string()
      .regex(/^[-A-Za-z0-9/_+=.@]{1,512}$/, 'give the name of a secret in Secrets Manager')
      .describe("Name in Secrets Manager of the endpoint's API key."),
  })
  .describe('An HTTPS endpoint, called through an API destination of EventBridge.');

/** A target of the user's own that is told of events. Of its targets exactly one is given. */
export const hookSchema = z
  .strictObject({
    on: z.array(z.enum(EVENT_TYPES)).min(1).describe('Events to be told of.'),
    lambda: arn('lambda', 'function:[-A-Za-z0-9_]+(:[-$A-Za-z0-9_]+)?', 'function:notify')
      .describe('ARN of a function.')
      .optional(),
    // A FIFO topic or queue takes a message only with its group, which an event has not.
    sns: arn('sns', '[-A-Za-z0-9_]+', 'backups').describe('ARN of a standard topic.').optional(),
    sqs: arn('sqs', '[-A-Za-z0-9_]+', 'backups').describe('ARN of a standard queue.').optional(),
    stateMachine: arn('states', 'stateMachine:[-A-Za-z0-9_]+(:[-A-Za-z0-9_]+)?', 'stateMachine:notify')
      .describe('ARN of a state machine, which is started with the event as its input.')
      .optional(),
    https: httpsTarget.optional(),
  })
  .refine(
    (hook) => TARGETS.filter((target) => hook[target] !== undefined).length === 1,
    `give exactly one of ${TARGETS.join(', ')}`,
  )
  .meta({
    id: 'hook',
    description: 'Tells a target of yours of events.',
    oneOf: TARGETS.map((target) => ({ required: [target] })),
  });
export type Hook = z.infer<typeof hookSchema>;
