import * as errors from '../../lambdas/domain/errors.ts';

const { LifeboatError, OutOfTimeError } = errors;
type ErrorKind = errors.ErrorKind;

/** What the shell is told; docs/commands.md explains each. */
export const EXIT = {
  done: 0,
  /** The world was not ready: the same command may succeed later. */
  failed: 1,
  /** The command line, the configuration or a permission is wrong: trying again changes nothing. */
  wrong: 2,
  /** A proof does not hold, or nothing verified is there: a person has to look. */
  refused: 3,
  /** A defect in Lifeboat itself. */
  defect: 4,
  interrupted: 130,
} as const;

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  transient: EXIT.failed,
  validation: EXIT.wrong,
  invariant: EXIT.refused,
};

/** A signal ended the command; the message says what that means for what it had begun. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** What a machine raises by itself when the time of a step is over is no defect. */
function known(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'States.Timeout') return error;
  return new OutOfTimeError('a step had not ended when its time was over', {
    remedy: 'What it told last is above: look at what it waits for, and run the same again.',
  });
}

/** The exit code for something that was thrown. */
export function exitCodeFor(thrown: unknown): number {
  const error = known(thrown);
  if (error instanceof InterruptedError) return EXIT.interrupted;
  return error instanceof LifeboatError ? BY_KIND[error.kind] : EXIT.defect;
}

/** The same for an error of which only the name is known, e.g. from the result of a run; names such as `States.Timeout` are AWS's. */
export function exitCodeForName(name: string): number {
  return CODES_BY_NAME.get(name) ?? (name === '' || name.includes('.') ? EXIT.failed : EXIT.defect);
}

const CODES_BY_NAME: ReadonlyMap<string, number> = new Map(
  Object.values(errors).flatMap((value: unknown) => {
    if (typeof value !== 'function' || !(value.prototype instanceof LifeboatError)) return [];
    const error = Reflect.construct(value, ['']) as unknown;
    return error instanceof LifeboatError && error.name !== 'Error' ? [[error.name, exitCodeFor(error)] as const] : [];
  }),
);

/** An error as a person reads it: what, then what to do next, then the configuration that was in use. */
export function describeError(error: unknown, configurationFile?: string): string {
  return [what(error), ...(configurationFile === undefined ? [] : [`using: ${configurationFile}`])].join('\n');
}

function what(thrown: unknown): string {
  const error = known(thrown);
  if (error instanceof LifeboatError) {
    return error.remedy === undefined ? `error: ${error.message}` : `error: ${error.message}\nnext:  ${error.remedy}`;
  }
  if (error instanceof InterruptedError) return `error: ${error.message}`;
  // The text of an unexpected error could hold anything, a token included; its class and place are enough for a report.
  const { name, stack } = error instanceof Error ? error : new Error('thrown value');
  const frames = (stack ?? '').split('\n').filter((frame) => frame.startsWith('    at '));
  return [`error: unexpected ${name}: this is a defect in Lifeboat`, ...frames.slice(0, 8)].join('\n');
}

/** An error among the facts of a result. */
export function errorAsJson(thrown: unknown): { readonly error: object } {
  const error = known(thrown);
  if (error instanceof LifeboatError) {
    const { name, kind, message, remedy } = error;
    return { error: { name, kind, message, remedy: remedy ?? null } };
  }
  if (error instanceof InterruptedError) {
    const { name, message } = error;
    return { error: { name, kind: 'interrupted', message, remedy: null } };
  }
  return { error: { name: 'Defect', kind: 'defect', message: describeError(error), remedy: null } };
}

/** What `--json` ends standard error with when a command fails: the error, what the shell is told, the configuration in use. */
export function errorDocument(error: unknown, configurationFile?: string): string {
  const { error: facts } = errorAsJson(error);
  return JSON.stringify({
    error: { ...facts, exitCode: exitCodeFor(error), configuration: configurationFile ?? null },
  });
}
