import { parse } from 'yaml';
import type { ManagementCluster } from '../management-cluster.ts';
import { KubeApi } from './api.ts';
import { controlPlaneNamespace } from './names.ts';
import { HOSTED_CLUSTER, SECRET } from './resources.ts';

/** Shorter values would be found by chance. */
const SHORTEST = 16;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----\n([\s\S]*?)-----END/g;
const PUBLIC_ONLY = /^\s*(-----BEGIN (CERTIFICATE|PUBLIC KEY)-----|ssh-)/;

function privateKeyLines(text: string): string[] {
  return [...text.matchAll(PRIVATE_KEY)].flatMap(([, body]) => (body ?? '').split('\n'));
}

/** The parts of a kubeconfig that let somebody in, each in the form the file has and decoded. */
function kubeconfigSecrets(text: string): string[] {
  const { users } = parse(text) as { users: { user: Record<string, string | undefined> }[] };
  return users.flatMap(({ user }) => {
    const key = user['client-key-data'] ?? '';
    return [user['token'] ?? '', key, ...privateKeyLines(Buffer.from(key, 'base64').toString())];
  });
}

/** Everything that must not be read anywhere when one value of a Secret is to stay secret. */
function secretForms(base64: string): string[] {
  const value = Buffer.from(base64, 'base64');
  const text = value.toString();
  if (PUBLIC_ONLY.test(text) && !text.includes('PRIVATE KEY-----')) return [];
  const inside = text.includes('client-key-data') ? kubeconfigSecrets(text) : privateKeyLines(text);
  const isText = !text.includes('\uFFFD');
  const itself = isText && !text.trim().includes('\n') ? text.trim() : value.toString('hex');
  return [base64, itself, ...inside];
}

/**
 * Texts of which none may appear in any output, log, event or error: the values of every Secret of every HostedCluster
 * and its control plane, and of the management cluster's own kubeconfig, in each form in which they could leak. Public
 * keys and certificates are not among them.
 */
export async function plantedSecrets(cluster: ManagementCluster): Promise<string[]> {
  const api = KubeApi.connect(cluster.kubeconfig);
  try {
    const namespaces = (await api.list(HOSTED_CLUSTER)).flatMap(({ metadata: { namespace = '', name } }) => [
      namespace,
      controlPlaneNamespace(namespace, name),
    ]);
    const forms = new Set(kubeconfigSecrets(cluster.kubeconfig));
    for (const namespace of new Set(namespaces)) {
      for (const { data = {} } of await api.list(SECRET, namespace)) {
        for (const value of Object.values(data)) for (const form of secretForms(value)) forms.add(form);
      }
    }
    return [...forms].filter((form) => form.length >= SHORTEST);
  } finally {
    api.close();
  }
}
