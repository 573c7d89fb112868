import { formatBytes } from './format-bytes.ts';

/**
 * Assumed of transfers in a function, and not measured in one: through API server and kubelet into a pod, and out of the store and
 * into it again as a plain file.
 */
const ATTACH_BYTES_A_SECOND = 20_000_000;
const STAGE_BYTES_A_SECOND = 40_000_000;
/** Of a call: to begin, and to undo what does not end in time. */
const RESERVE_SECONDS = 30;

export interface Transfer {
  readonly datastore: string;
  /** Of the snapshot; one goes to each member, one a call. */
  readonly sizeBytes: number;
}

/**
 * What does not fit into the time of one call while data are prepared, and what to do about it, a sentence each; none where
 * nothing ends a call (`secondsACall` is undefined).
 */
export function transfersTooLong(
  transfers: readonly Transfer[],
  way: 'attach' | 'presigned-url',
  secondsACall: number | undefined,
): string[] {
  if (secondsACall === undefined) return [];
  return transfers.flatMap(({ datastore, sizeBytes }) => {
    const attachSeconds = Math.ceil(sizeBytes / ATTACH_BYTES_A_SECOND);
    const stageSeconds = Math.ceil(sizeBytes / STAGE_BYTES_A_SECOND);
    const fits = (seconds: number) => seconds <= secondsACall - RESERVE_SECONDS;
    const byHand = 'restore with the command line, where nothing ends it';
    const subject = `the snapshot of datastore ${datastore} (${formatBytes(sizeBytes)})`;
    if (way === 'presigned-url') {
      return fits(stageSeconds)
        ? []
        : [`${subject} takes about ${stageSeconds} s to stage, and a function has ${secondsACall} s: ${byHand}`];
    }
    if (fits(attachSeconds)) return [];
    const remedy = fits(stageSeconds) ? `set restore.transfer to presigned-url, or ${byHand}` : byHand;
    return [
      `${subject} takes about ${attachSeconds} s to a member through the API server, and a function has ${secondsACall} s: ${remedy}`,
    ];
  });
}
