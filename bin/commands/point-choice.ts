import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { isRecoveryPointId } from '../../lambdas/domain/recovery-point.ts';
import { LATEST_VERIFIED } from '../../lambdas/domain/restore.ts';
import { parseTime } from '../../lambdas/domain/time.ts';

/** The ways of saying which recovery point is meant. */
export interface PointChoice {
  readonly point?: string;
  readonly latestVerified: boolean;
  readonly at?: string;
}

/** The recovery point as `choosePoint` takes it; ConfigurationError unless exactly one way was used, and as it is meant to be. */
export function chosenPoint({ point, latestVerified, at }: PointChoice): string {
  const given = [point, latestVerified ? LATEST_VERIFIED : undefined, at].filter((choice) => choice !== undefined);
  const [only, ...others] = given;
  if (only !== undefined && others.length === 0) {
    if (at !== undefined) parseTime(at);
    else if (!latestVerified) refuseUnlessId(only);
    return only;
  }
  throw new ConfigurationError('it must be said which recovery point is meant, and only once', {
    remedy: 'Give one of --point <id>, --latest-verified and --at <time>; "lifeboat list" shows the points.',
  });
}

function refuseUnlessId(text: string): void {
  if (isRecoveryPointId(text)) return;
  throw new ConfigurationError(`"${text}" is not the id of a recovery point`, {
    remedy:
      'Give one such as 20260102T030405Z-a1b2 with --point, or a time with --at; "lifeboat list" shows the points.',
  });
}
