import type { Configuration } from '../domain/configuration.ts';
import type { Purpose } from '../domain/purpose.ts';
import type { RunPorts } from '../operations/ports.ts';
import { Catalogue } from '../store/catalogue.ts';
import { Journal } from '../store/journal.ts';
import { Locks } from '../store/locks.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import type { Step } from '../step.ts';
import { readConfiguration } from './environment.ts';
import { lambdaFunction, type Invocation, type LambdaFunction } from './function.ts';

/** A function of a step that needs the store and nothing else, with the journal of a purpose. */
export function storeFunction<Input, Output>(
  step: Step<Input, Output, RunPorts>,
  purpose: Purpose = 'backup',
): LambdaFunction<Output> {
  return lambdaFunction(step, async (invocation) => ({
    ports: await openRunPorts(invocation, purpose),
    close: () => undefined,
  }));
}

/** The ports in AWS around the store; its connections outlive the invocation. */
export async function openRunPorts(
  { report, signal, secondsACall }: Invocation,
  purpose: Purpose = 'backup',
): Promise<RunPorts> {
  const { configuration, store } = await (shared ??= openShared());
  const clock = () => new Date();
  return {
    configuration,
    store,
    catalogue: new Catalogue(store),
    journal: new Journal(store, purpose),
    locks: new Locks(store),
    clock,
    now: () => performance.now(),
    report,
    signal,
    secondsACall,
  };
}

let shared: Promise<{ configuration: Configuration; store: ObjectStore }> | undefined;

async function openShared() {
  const configuration = readConfiguration();
  return { configuration, store: await openStore(configuration.store, configuration.s3) };
}
