import * as z from 'zod';
import type { Journal } from '../store/journal.ts';
import type { Site } from './site.ts';

/** A pause that ends by itself, should nobody be left to take it away; every step that needs it looks after it. */
const PAUSE_MILLISECONDS = 30 * 60 * 1000;
/** No step is given more time than this: a pause that lasts longer is enough for it. */
const NEEDED_MILLISECONDS = 20 * 60 * 1000;

const SET = 'pause-set';
const BEFORE = 'pause-before';

interface JournalPorts {
  readonly journal: Journal;
}

/**
 * Sets the pause again where it would end too soon, once, and gives a look at whether the reconcilers know: until then they may put
 * back what is ended. The look tells what it waits for; undefined when the pause stands.
 */
export function keepPaused(
  operation: string,
  { platform: { reconcilers }, cluster, name }: Site,
  { clock, journal }: JournalPorts & { readonly clock: () => Date },
): () => Promise<string | undefined> {
  let isSet = false;
  let stands = false;
  return async () => {
    if (stands) return undefined;
    const now = clock().getTime();
    const known = await reconcilers.read(cluster.api, name);
    stands = known != null && (known.endsAt === null || known.endsAt.getTime() > now + NEEDED_MILLISECONDS);
    if (stands) return undefined;
    if (!isSet) {
      const hold = reconcilers.holdUntil(new Date(now + PAUSE_MILLISECONDS));
      await recordPauseBefore(operation, known?.text ?? null, { journal });
      await recordPauseSet(operation, hold.text, { journal });
      await reconcilers.hold(cluster.api, name, hold);
      isSet = true;
    }
    stands = known === undefined;
    return stands ? undefined : `the pause has to be taken up by ${reconcilers.takenUpBy}`;
  };
}

/**
 * Puts the pause back that was there before, where the one that stands is the operation's own and not that of somebody else.
 * `planned` is what was found when it was planned, for operations that have noted nothing later.
 */
export async function takePauseAway(
  operation: string,
  planned: string | null,
  { platform: { reconcilers }, cluster, name }: Site,
  { journal }: JournalPorts,
): Promise<void> {
  const ours = await readPauseSet(operation, { journal });
  if (ours === undefined || (await reconcilers.read(cluster.api, name))?.text !== ours) return;
  const before = await journal.read(operation, BEFORE, z.string().nullable());
  await reconcilers.release(cluster.api, name, before === undefined ? planned : before);
}

/** The pause as it was found right before the operation set its own for the first time. */
export async function recordPauseBefore(
  operation: string,
  text: string | null,
  { journal }: JournalPorts,
): Promise<void> {
  await journal.record(operation, BEFORE, z.string().nullable(), text);
}

/** Written before the pause is set: it must never be taken for somebody else's. */
export async function recordPauseSet(operation: string, text: string, { journal }: JournalPorts): Promise<void> {
  await journal.revise(operation, SET, z.string(), () => text);
}

/** The pause that the operation has set last, as its platform writes it; undefined when it has set none. */
export async function readPauseSet(operation: string, { journal }: JournalPorts): Promise<string | undefined> {
  return await journal.read(operation, SET, z.string());
}
