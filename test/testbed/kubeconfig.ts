import { stringify } from 'yaml';
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
