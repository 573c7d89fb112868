import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { clientSettings, type AwsLimits } from '../aws/attempts.ts';
import { awsService, limitsOf, notThisServiceError, requestOf, type AwsOptions } from '../aws/service.ts';
import { ConfigurationError, EventsUnavailableError, PermissionError } from '../domain/errors.ts';
import type { LifeboatEvent } from '../domain/events.ts';
import type { Events } from './events.ts';

/** By this rules tell our events from those of others. */
const SOURCE = 'lifeboat';
// API reference of PutEvents: source, detail type and detail of an entry must be less than 1 MB in UTF-8.
const ENTRY_LIMIT_BYTES = 1024 * 1024;

const denied = (what: string, remedy: string) => [what, PermissionError, remedy] as const;
const EVENT_BRIDGE = awsService('EventBridge', EventsUnavailableError, {
  NotAuthorizedForSourceException: denied(
    `the bus takes no events with the source "${SOURCE}" from us`,
    `Allow events:PutEvents with events:source "${SOURCE}" on the bus.`,
  ),
  NotAuthorizedForDetailTypeException: denied(
    'the bus takes no events of this type from us',
    'Allow events:PutEvents with this events:detail-type on the bus.',
  ),
});

/**
 * An event bus of EventBridge. Region and credentials come from the SDK's default chain. An event whose answer was lost is
 * sent again, so it may arrive twice. Beware: AWS takes events for a bus that does not exist and drops them.
 */
export class EventBridgeEvents implements Events {
  readonly #client: EventBridgeClient;
  readonly #limits: AwsLimits;
  readonly #busName: string;

  /** `busName` may be an ARN, that of a bus in another account for example. */
  constructor(busName: string, options: AwsOptions = {}) {
    this.#busName = busName;
    this.#limits = limitsOf(options);
    this.#client = new EventBridgeClient(clientSettings(this.#limits));
  }

  /** As the port; ConfigurationError as well, for an event that is larger than EventBridge takes. */
  async publish({ type, detail }: LifeboatEvent): Promise<void> {
    const entry = { EventBusName: this.#busName, Source: SOURCE, DetailType: type, Detail: JSON.stringify(detail) };
    refuseLargeEntry(entry);
    const call = { verb: `publish ${type} to`, object: `event bus ${this.#busName}`, permission: 'events:PutEvents' };
    await requestOf(EVENT_BRIDGE, { call, limits: this.#limits }, async (http) => {
      const reply = await this.#client.send(new PutEventsCommand({ Entries: [entry] }), http);
      const [result] = reply.Entries ?? [];
      // PutEvents succeeds as a whole even if it took nothing; an entry's own code says why, and whether to try again.
      if (result?.ErrorCode !== undefined) {
        throw Object.assign(new Error('not taken'), { name: result.ErrorCode, $metadata: reply.$metadata });
      }
      if (result?.EventId === undefined) throw notThisServiceError(EVENT_BRIDGE, call);
    });
  }
}

function refuseLargeEntry({ DetailType, Detail }: { readonly DetailType: string; readonly Detail: string }): void {
  const sizeBytes = [SOURCE, DetailType, Detail].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (sizeBytes < ENTRY_LIMIT_BYTES) return;
  throw new ConfigurationError(
    `event ${DetailType} has ${sizeBytes} bytes, and EventBridge takes less than ${ENTRY_LIMIT_BYTES} of one event`,
    { remedy: 'Split the policy into several that select fewer management clusters each.' },
  );
}
