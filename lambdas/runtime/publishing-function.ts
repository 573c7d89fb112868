import type { Purpose } from '../domain/purpose.ts';
import type { Events } from '../events/events.ts';
import type { PublishingRunPorts } from '../operations/ports.ts';
import type { Step } from '../step.ts';
import { requiredVariable } from './environment.ts';
import { lambdaFunction, type Invocation, type LambdaFunction } from './function.ts';
import { openRunPorts } from './store-function.ts';

/** A function of a step that tells what happened, and talks to no management cluster. */
export function publishingFunction<Input, Output>(
  step: Step<Input, Output, PublishingRunPorts>,
): LambdaFunction<Output> {
  return lambdaFunction(step, async (invocation) => ({
    ports: await openPublishingPorts(invocation),
    close: () => undefined,
  }));
}

/** The store's ports and our own bus. */
export async function openPublishingPorts(invocation: Invocation, purpose?: Purpose): Promise<PublishingRunPorts> {
  return { ...(await openRunPorts(invocation, purpose)), events: await (events ??= openEvents()) };
}

let events: Promise<Events> | undefined;

async function openEvents(): Promise<Events> {
  // Only here: the command line runs the same steps and has no bus.
  const { EventBridgeEvents } = await import('../events/event-bridge-events.ts');
  return new EventBridgeEvents(requiredVariable('LIFEBOAT_EVENT_BUS'));
}
