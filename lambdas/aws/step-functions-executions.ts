import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { AwsUnavailableError, ConfigurationError } from '../domain/errors.ts';
import type { Executions } from './executions.ts';
import { clientSettings, type AwsLimits } from './attempts.ts';
import { awsService, limitsOf, notThisServiceError, requestOf, type AwsOptions } from './service.ts';

/** API reference of StartExecution; it takes some characters more, with which CloudWatch Logs gets no logs. */
const NAME = /^[A-Za-z0-9_-]{1,80}$/;

const STEP_FUNCTIONS = awsService('Step Functions', AwsUnavailableError, {
  InvalidArn: ['that is no ARN of a state machine', ConfigurationError, 'Give the ARN of a state machine.'],
  StateMachineDeleting: ['it is being deleted', ConfigurationError, 'Deploy the stack again.'],
  InvalidExecutionInput: ['its input is not accepted', ConfigurationError, 'It must be JSON of at most 256 KiB.'],
  ExecutionLimitExceeded: [
    'as many executions are running as the account may have',
    AwsUnavailableError,
    'Wait until others have ended, or have the quota of open executions raised.',
  ],
});

/**
 * State machines of Step Functions: standard workflows, as express ones do not mind a name that comes twice. Region and
 * credentials come from the SDK's default chain.
 */
export class StepFunctionsExecutions implements Executions {
  readonly #client: SFNClient;
  readonly #limits: AwsLimits;

  constructor(options: AwsOptions = {}) {
    this.#limits = limitsOf(options);
    this.#client = new SFNClient(clientSettings(this.#limits));
  }

  async start(stateMachineArn: string, name: string, input: unknown): Promise<'started' | 'already-started'> {
    if (!NAME.test(name)) {
      throw new ConfigurationError(`"${name}" is no name for an execution`, {
        remedy: 'Choose shorter or plainer names: it takes 1 to 80 of the letters A to Z, digits, "-" and "_".',
      });
    }
    const call = { verb: `start ${name} of`, object: stateMachineArn, permission: 'states:StartExecution' };
    const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
    return requestOf<'started' | 'already-started'>(
      STEP_FUNCTIONS,
      {
        call,
        limits: this.#limits,
        rescue: ({ code }, error) => {
          if (code === 'ExecutionAlreadyExists') return 'already-started';
          throw error;
        },
      },
      async (http) => {
        const { executionArn } = await this.#client.send(command, http);
        if (executionArn === undefined) throw notThisServiceError(STEP_FUNCTIONS, call);
        return 'started';
      },
    );
  }
}
