/** Starts runs of a state machine. */
export interface Executions {
  /**
   * Starts the machine under a name that makes the run unique; `input` becomes JSON. 'already-started' when the name was
   * taken before, whatever input it had then, within the last 90 days; a run of the same name and input that still goes
   * on may be told as 'started' again. NotFoundError without such a machine, PermissionError, ConfigurationError for a
   * name that AWS does not take, AwsUnavailableError after bounded retries.
   */
  start(stateMachineArn: string, name: string, input: unknown): Promise<'started' | 'already-started'>;
}
