import type { Executions } from '../../lambdas/aws/executions.ts';
import { runMachine, type Machine, type MachineOptions, type Steps } from './machine.ts';

/** An execution as Step Functions is told of it: its name, by which it is one, and its input. */
export interface Execution {
  readonly name: string;
  readonly input: object;
}

/** What a step needs to start executions of the machine that it runs in. */
export interface PartPorts {
  readonly executions: Executions;
  readonly stateMachineArn: string;
}

/**
 * Runs a machine, and one after the other the executions of it that its steps start. A name is run once. The rest is that
 * of {@link runMachine}; with the first part that fails, all ends.
 */
export async function runParts<Ports extends object>(
  machine: Machine,
  first: Execution,
  steps: Steps<Ports & PartPorts>,
  portsFor: (input: unknown, signal: AbortSignal) => Ports,
  options: MachineOptions = {},
): Promise<void> {
  const parts = new Map([[first.name, first.input]]);
  const partPorts: PartPorts = {
    stateMachineArn: 'of this process',
    executions: {
      start(_, name, input) {
        if (parts.has(name)) return Promise.resolve('already-started');
        parts.set(name, input as object);
        return Promise.resolve('started');
      },
    },
  };
  // A Map goes on with what is added to it meanwhile.
  for (const input of parts.values()) {
    await runMachine(machine, input, steps, (event, signal) => ({ ...portsFor(event, signal), ...partPorts }), options);
  }
}
