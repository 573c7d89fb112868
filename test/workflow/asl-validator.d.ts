/** Its package names no types. */
declare module 'asl-validator' {
  export default function validate(
    definition: unknown,
  ): Promise<{ readonly isValid: boolean; readonly errorsText: (separator: string) => string }>;
}
