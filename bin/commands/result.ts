/** What a command found or did: the same facts for programs and for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly text: string;
  /** One of `EXIT`; done when absent. */
  readonly exitCode?: number;
}
