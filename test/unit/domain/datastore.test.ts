import { describe, expect, it } from '@jest/globals';
import { datastoreFile, datastoreSchema, isDatastoreFile } from '../../../lambdas/domain/datastore.ts';

const ETCD = {
  kind: 'etcd',
  name: 'main',
  namespace: 'clusters-prod',
  members: [{ pod: 'etcd-0', ready: true }],
  clientPort: 2379,
} as const;

describe('a datastore', () => {
  it('says where it is, and holds nothing that lets somebody in', () => {
    expect(datastoreSchema.parse(ETCD)).toEqual(ETCD);
    expect(datastoreSchema.safeParse({ ...ETCD, tls: { key: 'k' } }).success).toBe(false);
  });

  it('has a file of its own in a recovery point, which is known by its name', () => {
    expect(datastoreFile(ETCD)).toBe('etcd-main.db.zst');
    expect(isDatastoreFile(datastoreFile(ETCD))).toBe(true);
  });

  it.each(['etcd-.db.zst', 'etcd-main.db', 'main.db.zst', 'etcd-a/b.db.zst', 'sub/etcd-main.db.zst', ''])(
    'has no file of the name %j',
    (name) => {
      expect(isDatastoreFile(name)).toBe(false);
    },
  );
});
