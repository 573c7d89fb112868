/** What all who have to do with a step of a machine must know of it. Its name is that of its function, `lambdas/handlers/<name>.ts`. */
export interface Step {
  /** How long one call may take: the time of its function, and of the Task that calls it. */
  readonly timeoutSeconds: number;
  /** Of a step that is asked again until it is done: how long it may work for its goal, over all its calls. */
  readonly limitSeconds?: number;
  /** It goes on from where it was when its time was over, so that another call is worth it. Steps with a limit always do. */
  readonly goesOn?: true;
  /** It leaves in the journal when it was begun and done, and is told of among the phases of the result. */
  readonly isTimed?: true;
  /** The function is that of another machine. */
  readonly sharedWith?: string;
}

/** The steps of a machine by their names, in the order of its way forward: `statemachines/<name>/steps.ts`. */
export type Steps = Readonly<Record<string, Step>>;
