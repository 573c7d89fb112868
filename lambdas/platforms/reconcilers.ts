import type { ControlPlaneName } from '../domain/control-plane.ts';
import type { KubeApi } from '../kube/kube-api.ts';

/** A hold of the reconcilers as it stands, or as it is to be set. */
export interface Hold {
  /** As the platform writes it: by it one's own hold is told from somebody else's, and put back. */
  readonly text: string;
  /** When it ends by itself; null: only when somebody takes it away. */
  readonly endsAt: Date | null;
}

/**
 * Whoever puts a control plane back to what it was declared as: they must leave it alone while an operation works on it.
 * Errors of every method: those of {@link KubeApi}.
 */
export interface Reconcilers {
  /** Who has to run for the reconcilers to hear of a hold, for people. */
  readonly takenUpBy: string;
  /** The hold that lasts until a time. A platform whose holds do not end by themselves gives one without an end. */
  holdUntil(until: Date): Hold;
  /** Sets a hold. Whether the reconcilers know is told by `read`. Safe to repeat. */
  hold(api: KubeApi, name: ControlPlaneName, hold: Hold): Promise<void>;
  /** Puts back the hold that stood before (its text), or none (null). Safe to repeat. */
  release(api: KubeApi, name: ControlPlaneName, before: Hold['text'] | null): Promise<void>;
  /** The hold that the reconcilers know of; null without one, undefined when none of them has anything to do. */
  read(api: KubeApi, name: ControlPlaneName): Promise<Hold | null | undefined>;
}
