import { parse } from 'yaml';
import * as z from 'zod';
import { KubeconfigError } from '../domain/errors.ts';
import { Secret } from '../domain/secret.ts';
import { certificateValidity, keyFits } from './certificates.ts';
import type { ClusterAccess, ClusterCredentials } from './cluster-access.ts';

const text = z.string().min(1);
const named = { name: text };

// Only what we use is typed; the rest (preferences, extensions, fields of newer clients) is let through, except for the
// refused fields below, which are looked up by name.
const kubeconfigSchema = z.looseObject({
  clusters: z.array(
    z.looseObject({
      ...named,
      cluster: z.looseObject({
        server: text,
        'certificate-authority-data': text.optional(),
        'tls-server-name': text.optional(),
      }),
    }),
  ),
  users: z.array(
    z.looseObject({
      ...named,
      user: z.looseObject({
        'client-certificate-data': text.optional(),
        'client-key-data': text.optional(),
        token: text.optional(),
      }),
    }),
  ),
  contexts: z.array(z.looseObject({ ...named, context: z.looseObject({ cluster: text, user: text }) })),
});

const FLATTEN = 'kubectl config view --raw --flatten --minify';
const TOKEN_REMEDY =
  'Put a token there instead, e.g. of a ServiceAccount made for Lifeboat: kubectl create token <name> --duration=8760h.';
const EXEC_REMEDY = `${TOKEN_REMEDY} For EKS no kubeconfig is needed: write "eks: { cluster: <name>, region: <region>, endpoint: <https address>, certificateAuthority: <base64> }" below managementClusters.<name> in lifeboat.yaml.`;
const INLINE_REMEDY = `Put the content itself there: ${FLATTEN} does it.`;
const REWRITE_REMEDY = `Write it anew with: ${FLATTEN}.`;

/** What is wrong with a field, and what to put there instead. */
type Refusal = readonly [problem: string, remedy: string];
const FILE_PATH: Refusal = ['is a file path', INLINE_REMEDY];
const PASSWORD: Refusal = ['is basic authentication, which API servers no longer accept', TOKEN_REMEDY];
const IMPERSONATION: Refusal = ['is impersonation', 'Give the credentials of the user that is meant.'];

/** Fields that kubectl honours and we refuse by name. */
const REFUSED_OF_CLUSTER: Readonly<Record<string, Refusal>> = {
  'certificate-authority': FILE_PATH,
  'insecure-skip-tls-verify': [
    'would let anybody answer as the API server',
    'Remove it and give certificate-authority-data.',
  ],
  'proxy-url': ['is not supported', 'Give an address that can be reached without a proxy.'],
};
const REFUSED_OF_USER: Readonly<Record<string, Refusal>> = {
  exec: ['runs a program named by the kubeconfig, which is never done here', EXEC_REMEDY],
  'auth-provider': ['needs a plug-in of kubectl', TOKEN_REMEDY],
  'client-certificate': FILE_PATH,
  'client-key': FILE_PATH,
  tokenFile: ['is a file path', TOKEN_REMEDY],
  username: PASSWORD,
  password: PASSWORD,
  as: IMPERSONATION,
  'as-uid': IMPERSONATION,
  'as-groups': IMPERSONATION,
  'as-user-extra': IMPERSONATION,
};

/**
 * Checks a kubeconfig (YAML or JSON) and takes out what is needed to reach its cluster. `source` is where it was read, for
 * messages. KubeconfigError names the offending field and what to put there; it never repeats a value.
 */
export function parseKubeconfig(kubeconfig: string, source: string): ClusterAccess {
  const refuse = (problem: string, remedy: string, cause?: unknown): KubeconfigError =>
    new KubeconfigError(`kubeconfig ${source}: ${problem}`, { remedy, cause });

  const config = readKubeconfig(kubeconfig, refuse);
  const context = onlyOne('contexts', config.contexts, refuse).context;
  const cluster = byName('clusters', config.clusters, context.cluster, refuse).cluster;
  const user = byName('users', config.users, context.user, refuse).user;
  refuseFields('cluster', cluster, REFUSED_OF_CLUSTER, refuse);
  refuseFields('user', user, REFUSED_OF_USER, refuse);

  const caData = cluster['certificate-authority-data'];
  if (caData === undefined) {
    throw refuse('cluster has no certificate-authority-data', `Add the CA of the API server: ${FLATTEN} does it.`);
  }
  const ca = decodePem('certificate-authority-data', caData, refuse);
  readCertificate('certificate-authority-data', ca, refuse);
  return {
    server: checkServer(cluster.server, refuse),
    ca,
    serverName: cluster['tls-server-name'],
    credentials: readCredentials(user, refuse),
    source,
  };
}

type Refuse = (problem: string, remedy: string, cause?: unknown) => KubeconfigError;
type Kubeconfig = z.infer<typeof kubeconfigSchema>;

function readKubeconfig(kubeconfig: string, refuse: Refuse): Kubeconfig {
  let document: unknown;
  try {
    document = parse(kubeconfig, { maxAliasCount: 0, logLevel: 'error' });
  } catch {
    // The parser's message quotes the line it stumbled over, which may be a key.
    throw refuse('not valid YAML or JSON', REWRITE_REMEDY);
  }
  const checked = kubeconfigSchema.safeParse(document);
  if (!checked.success) {
    const path = checked.error.issues[0]?.path.join('.') ?? '';
    throw refuse(path === '' ? 'not a kubeconfig' : `"${path}" is missing or has the wrong type`, REWRITE_REMEDY);
  }
  return checked.data;
}

function onlyOne<T>(field: string, entries: readonly T[], refuse: Refuse): T {
  const [entry, another] = entries;
  if (entry === undefined || another !== undefined) {
    throw refuse(
      `${entries.length} ${field}, but it must have exactly one`,
      `Keep only the one that is meant: ${FLATTEN} --context=<name>.`,
    );
  }
  return entry;
}

function byName<T extends { name: string }>(field: string, entries: readonly T[], name: string, refuse: Refuse): T {
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    throw refuse(
      `its context names "${name}", which is not among its ${field}`,
      `Add it to ${field}, or fix the name.`,
    );
  }
  return entry;
}

function refuseFields(
  owner: string,
  fields: Readonly<Record<string, unknown>>,
  refused: Readonly<Record<string, Refusal>>,
  refuse: Refuse,
): void {
  for (const [field, [problem, remedy]] of Object.entries(refused)) {
    // kubectl writes `insecure-skip-tls-verify: false` and empty strings where nothing is meant.
    if (fields[field] === undefined || fields[field] === null || fields[field] === false || fields[field] === '')
      continue;
    throw refuse(`${owner}.${field} ${problem}`, remedy);
  }
}

function checkServer(server: string, refuse: Refuse): string {
  const url = URL.parse(server);
  if (url === null || url.protocol !== 'https:') {
    throw refuse(
      'cluster.server is not an https address',
      'Write https://<host>:<port>; credentials never go over http.',
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refuse('cluster.server has a user, query or fragment', 'Write https://<host>:<port> and nothing else.');
  }
  return url.href.replace(/\/+$/, '');
}

function readCredentials(user: Kubeconfig['users'][number]['user'], refuse: Refuse): ClusterCredentials {
  const { 'client-certificate-data': certificateData, 'client-key-data': keyData, token } = user;
  if (token !== undefined) {
    if (certificateData !== undefined || keyData !== undefined) {
      throw refuse('user has both a token and a client certificate', 'Remove the one that is not meant.');
    }
    // A line break would end the header that carries the token.
    if (!/^[\x21-\x7e]+$/.test(token)) throw refuse('user.token has characters that no token has', TOKEN_REMEDY);
    return { kind: 'token', token: new Secret(token) };
  }
  if (certificateData === undefined || keyData === undefined) {
    throw refuse(
      certificateData === keyData
        ? 'user has neither a token nor a client certificate'
        : `user has ${certificateData === undefined ? 'no client-certificate-data' : 'no client-key-data'}`,
      'Give client-certificate-data and client-key-data, or a token.',
    );
  }
  const certificate = decodePem('client-certificate-data', certificateData, refuse);
  const key = decodePem('client-key-data', keyData, refuse);
  const validity = readCertificate('client-certificate-data', certificate, refuse);
  if (!fits(certificate, key, refuse)) {
    throw refuse(
      'client-key-data is not the key of client-certificate-data',
      'Take both from the same file of the cluster.',
    );
  }
  return { kind: 'certificate', certificate, key: new Secret(key), validity };
}

function decodePem(field: string, data: string, refuse: Refuse): string {
  const pem = Buffer.from(data, 'base64').toString('utf8');
  if (!pem.includes('-----BEGIN ')) {
    throw refuse(`${field} is not base64 of a PEM text`, `Encode the PEM file: base64 -w0 <file>.`);
  }
  return pem;
}

function readCertificate(field: string, pem: string, refuse: Refuse): ReturnType<typeof certificateValidity> {
  try {
    return certificateValidity(pem);
  } catch {
    throw refuse(`${field} has no certificate that can be read`, 'Encode the PEM certificate: base64 -w0 <file>.');
  }
}

function fits(certificate: string, key: string, refuse: Refuse): boolean {
  try {
    return keyFits(certificate, key);
  } catch {
    throw refuse(
      'client-key-data has no private key that can be read',
      'Encode the unencrypted PEM key: base64 -w0 <file>.',
    );
  }
}
