import type { Condition } from './resources.ts';

export type ConditionPlan = Pick<Condition, 'type' | 'status' | 'reason'> & { readonly message?: string };

/** Conditions as they must read now; the time of one that did not change its status is kept. */
export function transition(
  held: readonly Condition[] | undefined,
  plans: readonly ConditionPlan[],
  now: Date,
  observedGeneration: number,
): Condition[] {
  // The API keeps times to the second.
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z');
  return plans.map((plan) => {
    const before = held?.find(({ type }) => type === plan.type);
    const lastTransitionTime = before?.status === plan.status ? before.lastTransitionTime : time;
    return { message: '', ...plan, observedGeneration, lastTransitionTime };
  });
}
