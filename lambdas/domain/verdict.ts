import { timeOfRecoveryPoint, type Manifest, type Proof } from './recovery-point.ts';

/** A clock that is further ahead of another one is wrong; S3 lets no signature be further off either. */
export const CLOCK_TOLERANCE_MILLISECONDS = 15 * 60 * 1000;

/** What all proofs of a recovery point together say. */
export const VERDICTS = ['verified', 'stored', 'refused'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** A proof that was appended to a recovery point, and when by the store's own clock. */
export interface AppendedProof {
  readonly proof: Proof;
  readonly storedAt: Date;
}

/**
 * All proofs of a recovery point in the order in which the store got them: those of the manifest, which is written before any
 * other, then the appended ones. The times that their writers put into them say nothing, as any of those clocks may be wrong.
 * Of proofs that the store got at the same time the refused ones come last, so that none of them is overruled by chance.
 */
export function inStoreOrder(ofManifest: readonly Proof[], appended: readonly AppendedProof[]): Proof[] {
  const rank = ({ proof }: AppendedProof) => (proof.result === 'refused' ? 1 : 0);
  const ordered = [...appended].sort((a, b) => a.storedAt.getTime() - b.storedAt.getTime() || rank(a) - rank(b));
  return [...ofManifest, ...ordered.map(({ proof }) => proof)];
}

/**
 * The verdict on a recovery point from all its proofs, given in the store's order: the last conclusive proof of each kind and
 * datastore counts, so that a refusal stands until a later pass of the same, and one refusal refuses the point. `verified` needs
 * `structure` for every part; anything less is only `stored`.
 */
export function verdict(proofs: readonly Proof[], parts: readonly string[]): Verdict {
  const last = new Map<string, Proof>();
  for (const proof of proofs) {
    if (proof.result !== 'inconclusive') last.set(`${proof.kind} ${proof.datastore}`, proof);
  }
  if ([...last.values()].some(({ result }) => result === 'refused')) return 'refused';
  return parts.every((part) => last.has(`structure ${part}`)) ? 'verified' : 'stored';
}

/** The verdict on a recovery point by the proofs that were taken with it. */
export function verdictOf({ proofs, datastores }: Manifest): Verdict {
  return verdict(
    proofs,
    datastores.map(({ name }) => name),
  );
}

/**
 * Whether a recovery point says of itself that it was taken later than can be: after the store got its manifest, by the store's
 * clock, or after now, by ours. Whoever took it had a wrong clock, and nothing that goes by its age may rely on it.
 */
export function isFromFuture({ id, takenAt }: Pick<Manifest, 'id' | 'takenAt'>, storedAt: Date, now: Date): boolean {
  const taken = Math.max(timeOfRecoveryPoint(id).getTime(), Date.parse(takenAt));
  return taken > Math.min(storedAt.getTime(), now.getTime()) + CLOCK_TOLERANCE_MILLISECONDS;
}
