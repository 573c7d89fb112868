import { parse, stringify } from 'yaml';
import type { KeyPair } from '../testbed/certificates.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Kubeconfig {
  readonly clusters: [{ cluster: Fields }];
  readonly users: [{ user: Fields }];
}

/** A kubeconfig of one cluster and one user, with some of the cluster's fields changed and another user's. */
export function varyKubeconfig(text: string, { cluster = {}, user }: { cluster?: Fields; user?: Fields }): string {
  const kubeconfig = parse(text) as Kubeconfig;
  const [clusterEntry] = kubeconfig.clusters;
  const [userEntry] = kubeconfig.users;
  clusterEntry.cluster = { ...clusterEntry.cluster, ...cluster };
  userEntry.user = user ?? userEntry.user;
  return stringify(kubeconfig, { lineWidth: 0 });
}

/** The user fields of somebody who comes with a client certificate. */
export function certificateUser({ certificate, key }: KeyPair): Fields {
  return { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) };
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
