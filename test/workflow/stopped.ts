/** Ends the execution at once, as StopExecution or the end of the process does: no Retry and no Catch sees it. */
export function stopped(): Error {
  return Object.assign(new Error('the execution was stopped'), {
    name: 'States.Runtime',
    isRetryable: false,
    isCatchable: false,
  });
}
