import { levelOf, type Part } from './parts.ts';
import { targetsOf, type Level } from './states.ts';

export interface Machine extends Level {
  readonly Comment: string;
  readonly TimeoutSeconds: number;
}

/** A machine of its parts; what leads nowhere is a mistake. */
export function describeMachine(
  { comment, timeoutSeconds }: { readonly comment: string; readonly timeoutSeconds: number },
  parts: readonly Part[],
): Machine {
  const level = levelOf(parts);
  refuseDeadEnds(level);
  return { Comment: comment, StartAt: level.StartAt, TimeoutSeconds: timeoutSeconds, States: level.States };
}

function refuseDeadEnds({ States }: Level): void {
  for (const [name, state] of Object.entries(States)) {
    const [nowhere] = targetsOf(state).filter((target) => States[target] === undefined);
    if (nowhere !== undefined) throw new Error(`"${name}" goes on with "${nowhere}", which is not there`);
    if (state.ItemProcessor !== undefined) refuseDeadEnds(state.ItemProcessor);
  }
}
