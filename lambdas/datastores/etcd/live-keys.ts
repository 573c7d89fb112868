import type { EtcdClient } from './wire/etcd-client.ts';
import type { EtcdKeyValue } from './wire/messages.ts';

/**
 * Keys in one answer. A member reads the values too before it leaves them out, so this bounds what it needs for us; and
 * keys as long as Kubernetes allows them stay below the largest answer that the client takes.
 */
const PAGE_KEYS = 2000;

/** etcd refuses an empty key; as the end of a range this means that there is none. */
const ZERO_BYTE = Buffer.alloc(1);

/** A part of the live keys. */
export interface LiveKeysPage {
  /** The one revision that all pages are read at. */
  readonly revision: number;
  /** In order; the values are left out. */
  readonly keys: readonly EtcdKeyValue[];
}

export interface LiveKeysOptions {
  /** Reads what this member has, so that it works without a leader. */
  readonly serializable?: boolean;
  readonly pageKeys?: number;
}

/**
 * All keys of an etcd at the revision that it has when the first page is read, in pages; at least one, which has no keys when
 * there are none. Errors as of {@link EtcdClient.range}; DatastoreError, so worth another try, when the member compacts
 * beyond that revision meanwhile.
 */
export async function* liveKeys(
  client: Pick<EtcdClient, 'range'>,
  { serializable = false, pageKeys = PAGE_KEYS }: LiveKeysOptions = {},
): AsyncGenerator<LiveKeysPage, void, undefined> {
  const request = { rangeEnd: ZERO_BYTE, limit: pageKeys, keysOnly: true };
  let page = await client.range({ ...request, key: ZERO_BYTE, serializable });
  const { revision } = page;
  for (;;) {
    yield { revision, keys: page.kvs };
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    // What a member has at a past revision never changes, so the leader need not be asked again.
    page = await client.range({
      ...request,
      key: Buffer.concat([last.key, ZERO_BYTE]),
      revision,
      serializable: true,
    });
  }
}

/**
 * Whether any key that is there was written after a revision. By pages: etcd would apply a bound of revisions of its own only
 * after it has read the values of the whole range.
 */
export async function wasWrittenAfter(client: Pick<EtcdClient, 'range'>, revision: number): Promise<boolean> {
  for await (const { keys } of liveKeys(client)) {
    if (keys.some(({ modRevision }) => modRevision > revision)) return true;
  }
  return false;
}
