import type { LifeboatEvent } from '../domain/events.ts';

/** Where Lifeboat tells what happened: EventBridge's own bus, or the log. */
export interface Events {
  /** Resolves when the event is taken over; EventsUnavailableError after bounded retries. */
  publish(event: LifeboatEvent): Promise<void>;
}
