import { requireRunning, type ProcessRecord } from '../testbed/process.ts';
import { waitFor } from '../testbed/waiting.ts';

/** A server that a suite has started. */
interface StartedServer {
  readonly record: ProcessRecord;
  /** What it answers with success as soon as it serves. */
  readonly url: string;
  readonly timeoutSeconds: number;
  readonly stop: () => Promise<void>;
}

/** Waits until a server serves. One that has ended, or does not serve in time, is stopped before the error is thrown. */
export async function untilAnswers({ record, url, timeoutSeconds, stop }: StartedServer): Promise<void> {
  try {
    await waitFor(
      `${url} to answer`,
      async () => {
        await requireRunning(record);
        return answers(url);
      },
      { timeoutSeconds, intervalMilliseconds: 200 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
