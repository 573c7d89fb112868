import type { Executions } from '../aws/executions.ts';
import type { StartPorts } from '../policy-runs/start.ts';
import type { Step } from '../step.ts';
import { readConfiguration, requiredVariable } from './environment.ts';
import { lambdaFunction, type LambdaFunction } from './function.ts';

/** A function of a step that starts executions, and needs neither store nor management cluster. */
export function startFunction<Input, Output>(step: Step<Input, Output, StartPorts>): LambdaFunction<Output> {
  return lambdaFunction(step, async () => {
    const configuration = readConfiguration();
    const stateMachineArn = requiredVariable('LIFEBOAT_STATE_MACHINE_ARN');
    return {
      ports: {
        configuration,
        clock: () => new Date(),
        executions: await (executions ??= openExecutions()),
        stateMachineArn,
      },
      close: () => undefined,
    };
  });
}

let executions: Promise<Executions> | undefined;

async function openExecutions(): Promise<Executions> {
  // Only here: the command line runs the same steps and has executions of its own.
  const { StepFunctionsExecutions } = await import('../aws/step-functions-executions.ts');
  return new StepFunctionsExecutions();
}
