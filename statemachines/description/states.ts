/** What of the Amazon States Language the descriptions make; test/workflow/refused-features.ts says what may be in it. */

/** Stands for every error in an `ErrorEquals`. */
export const ANY_ERROR = 'States.ALL';

/** Of a Task that did not end in its time: Step Functions gives it no cause. */
export const TIMEOUT = 'States.Timeout';

/** What is told in place of one. */
export const TIME_WAS_OVER = 'the step had not ended when its time was over';

export interface State {
  readonly Type: string;
  readonly Next?: string;
  readonly End?: true;
  readonly Parameters?: object | undefined;
  readonly Catch?: readonly Catcher[] | undefined;
  readonly Choices?: readonly Rule[];
  readonly Default?: string;
  readonly ItemProcessor?: Level;
  readonly [field: string]: unknown;
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly ResultPath: string | null;
  readonly Next: string;
}

/** A comparison such as `StringEquals` stands beside `Variable` under its own name. */
export interface Rule {
  readonly Variable: string;
  readonly Next: string;
  readonly [comparison: string]: unknown;
}

/** A machine, or what one does with each item of a Map. */
export interface Level {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

/** All states that a state may be followed by. */
export function targetsOf({ Next, Catch = [], Choices = [], Default }: State): string[] {
  const others = [...Catch, ...Choices].map((way) => way.Next);
  return [Next, Default, ...others].filter((name) => name !== undefined);
}
