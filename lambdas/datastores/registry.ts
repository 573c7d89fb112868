import type { Datastore } from '../domain/datastore.ts';
import type { DatastoreDriver } from './driver.ts';
import { etcdDriver } from './etcd/driver.ts';

/** The driver of every kind of datastore, one line each. */
export const drivers: Readonly<Record<Datastore['kind'], DatastoreDriver>> = { etcd: etcdDriver };
