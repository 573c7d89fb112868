/** A Secret or ConfigMap in the HostedCluster's namespace that a field refers to. */
export interface ObjectReference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  /** The field that refers to it, for the message when it is missing. */
  readonly field: string;
}

/**
 * Fields below `spec.configuration` and `spec.secretEncryption` that hold `{ name }` of an object beside the
 * HostedCluster. Source: openshift/api config/v1 types (OAuth identity providers, API server, proxy, image,
 * authentication) and hypershift's secret encryption types.
 */
const REFERRING_FIELDS: Readonly<Record<string, ObjectReference['kind']>> = {
  activeKey: 'Secret',
  backupKey: 'Secret',
  targetKey: 'Secret',
  credentials: 'Secret',
  clientSecret: 'Secret',
  fileData: 'Secret',
  bindPassword: 'Secret',
  tlsClientCert: 'Secret',
  tlsClientKey: 'Secret',
  servingCertificate: 'Secret',
  servingCertKeyPairSecret: 'Secret',
  login: 'Secret',
  providerSelection: 'Secret',
  error: 'Secret',
  ca: 'ConfigMap',
  clientCA: 'ConfigMap',
  trustedCA: 'ConfigMap',
  additionalTrustedCA: 'ConfigMap',
  issuerCertificateAuthority: 'ConfigMap',
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Every reference found anywhere below `value`, which stands at `path` of the HostedCluster. */
export function findReferences(value: unknown, path: string): ObjectReference[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const field = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    const kind = REFERRING_FIELDS[key];
    // An empty name means "not set" in OpenShift's types, and KMS keys have an ARN instead of a name.
    const own =
      kind !== undefined && isRecord(child) && typeof child['name'] === 'string' && child['name'] !== ''
        ? [{ kind, name: child['name'], field }]
        : [];
    return [...own, ...findReferences(child, field)];
  });
}
