/** A schedule as its owner in AWS has it. */
export interface ListedSchedule {
  readonly name: string;
  /** False when somebody has switched it off. */
  readonly enabled: boolean;
}

/** Tells which schedules there are. */
export interface Schedules {
  /**
   * All schedules of a group, in no order. NotFoundError without such a group, PermissionError, AwsUnavailableError after
   * bounded retries.
   */
  list(groupName: string): AsyncIterable<ListedSchedule>;
}
