import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { LATEST_VERIFIED } from '../../lambdas/domain/restore.ts';

/** The ways of saying which recovery point is meant. */
export interface PointChoice {
  readonly point?: string;
  readonly latestVerified: boolean;
  readonly at?: string;
}

/** The recovery point as `choosePoint` takes it; ConfigurationError unless exactly one way was used. */
export function chosenPoint({ point, latestVerified, at }: PointChoice): string {
  const given = [point, latestVerified ? LATEST_VERIFIED : undefined, at].filter((choice) => choice !== undefined);
  const [only, ...others] = given;
  if (only !== undefined && others.length === 0) return only;
  throw new ConfigurationError('it must be said which recovery point is meant, and only once', {
    remedy: 'Give one of --point <id>, --latest-verified and --at <time>; "lifeboat list" shows the points.',
  });
}
