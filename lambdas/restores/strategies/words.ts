import type { RestorePlan } from '../../domain/restore.ts';
import { swapVolumesWords } from './swap-volumes/words.ts';

/** How far the exchange of the data has come: `begun`, it may be done in part. */
export type Exchange = 'not-begun' | 'begun' | 'done' | 'put-back';

/** What a strategy tells people of the end of a restore. Apart from what it does, so that the report needs nothing of clusters. */
export interface StrategyWords {
  /** Where what was put aside lies, and why it was left there. */
  kept(plan: RestorePlan, why: string, isRestored: boolean): string[];
  /** How the data are where a restore was abandoned that may have exchanged them. */
  leftInExchange(plan: RestorePlan): string[];
  /** Where the data stand when the way back has failed as well. */
  stuck(plan: RestorePlan, exchange: Exchange): string[];
}

/** Of every strategy, one line each. */
export const strategyWords: Readonly<Record<RestorePlan['strategy'], StrategyWords>> = {
  'swap-volumes': swapVolumesWords,
};
