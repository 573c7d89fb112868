import { parse, stringify } from 'yaml';
import * as z from 'zod';
import type { KeyPair } from './certificates.ts';

export interface KubeconfigParts {
  readonly cluster: string;
  readonly user: string;
  /** e.g. https://10.231.0.2:6443 */
  readonly server: string;
  /** PEM of the authority that signed the API server's certificate. */
  readonly certificateAuthority: string;
  readonly client: KeyPair;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The text of a kubeconfig with one context that authenticates by client certificate, everything embedded. */
export function renderKubeconfig({ cluster, user, server, certificateAuthority, client }: KubeconfigParts): string {
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(certificateAuthority) } }],
      users: [
        {
          name: user,
          user: {
            'client-certificate-data': base64(client.certificate),
            'client-key-data': base64(client.key),
          },
        },
      ],
      contexts: [{ name: cluster, context: { cluster, user } }],
      'current-context': cluster,
    },
    { lineWidth: 0 },
  );
}

const kubeconfigSchema = z.object({
  clusters: z.tuple([
    z.object({ cluster: z.object({ server: z.string(), 'certificate-authority-data': z.base64() }) }),
  ]),
  users: z.tuple([
    z.object({ user: z.object({ 'client-certificate-data': z.base64(), 'client-key-data': z.base64() }) }),
  ]),
});

/** Where a kubeconfig leads and how to get in, as PEM. */
export interface KubeconfigAccess {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The inverse of {@link renderKubeconfig}. */
export function parseKubeconfig(text: string): KubeconfigAccess {
  const { clusters, users } = kubeconfigSchema.parse(parse(text));
  const { server, 'certificate-authority-data': ca } = clusters[0].cluster;
  const { 'client-certificate-data': cert, 'client-key-data': key } = users[0].user;
  const decode = (data: string): Buffer => Buffer.from(data, 'base64');
  return { server, ca: decode(ca), cert: decode(cert), key: decode(key) };
}
