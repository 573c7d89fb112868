/** `PlanRun` for `plan-run`. */
export type PascalCase<Name extends string> = Name extends `${infer Word}-${infer Rest}`
  ? `${Capitalize<Word>}${PascalCase<Rest>}`
  : Capitalize<Name>;

/** `PlanRun` for `plan-run`: in ids, and as the name of a machine's function. */
export function pascalCase(name: string): string {
  return name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What stands in a machine's file for the ARN of a step's function: `PlanRunFunctionArn`, in `${…}`. */
export function placeholderOf(step: string): string {
  return `${pascalCase(step)}FunctionArn`;
}
