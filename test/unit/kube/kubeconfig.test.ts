import { describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { KubeconfigError } from '../../../lambdas/domain/errors.ts';
import { assertUsableAt } from '../../../lambdas/kube/cluster-access.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';

const authority = createAuthority('kubernetes');
const client = issueCertificate(authority, {
  commonName: 'lifeboat',
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2026-12-31T00:00:00Z'),
});
const stranger = issueCertificate(authority, { commonName: 'stranger' });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const cluster = {
  server: 'https://api.mgmt-a.example:6443',
  'certificate-authority-data': base64(authority.certificate),
};
const byCertificate = {
  'client-certificate-data': base64(client.certificate),
  'client-key-data': base64(client.key),
};
const byToken = { token: 'planted-token-0123456789' };

function kubeconfig(parts: { cluster?: object; user?: object; contexts?: object[] } = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    clusters: [{ name: 'c', cluster: parts.cluster ?? cluster }],
    users: [{ name: 'u', user: parts.user ?? byCertificate }],
    contexts: parts.contexts ?? [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'a',
  };
}

function refusal(text: string): KubeconfigError {
  try {
    parseKubeconfig(text, 'mgmt-a.kubeconfig');
  } catch (error) {
    if (error instanceof KubeconfigError) return error;
    throw error;
  }
  throw new Error('the kubeconfig was not refused');
}

describe('a kubeconfig that is accepted', () => {
  it('gives server, CA and client certificate, with the key as a secret', () => {
    const access = parseKubeconfig(stringify(kubeconfig()), 'mgmt-a.kubeconfig');
    expect(access).toMatchObject({
      server: 'https://api.mgmt-a.example:6443',
      ca: authority.certificate,
      serverName: undefined,
      source: 'mgmt-a.kubeconfig',
      credentials: { kind: 'certificate', certificate: client.certificate },
    });
    expect(JSON.stringify(access)).not.toContain(client.key.slice(40, 80));
  });

  it('gives the token as a secret', () => {
    const { credentials } = parseKubeconfig(stringify(kubeconfig({ user: byToken })), 'x');
    expect(credentials.kind === 'token' && credentials.token.reveal()).toBe(byToken.token);
    expect(JSON.stringify(credentials)).not.toContain(byToken.token);
  });

  it('may be JSON, carry a server name, a path, and fields that are switched off', () => {
    const text = JSON.stringify(
      kubeconfig({
        cluster: {
          ...cluster,
          server: 'https://rancher.example/k8s/clusters/c-1/',
          'tls-server-name': 'kubernetes.default.svc',
          'insecure-skip-tls-verify': false,
          'proxy-url': '',
        },
      }),
    );
    expect(parseKubeconfig(text, 'x')).toMatchObject({
      server: 'https://rancher.example/k8s/clusters/c-1',
      serverName: 'kubernetes.default.svc',
    });
  });
});

describe('a kubeconfig that is refused', () => {
  const cases: [name: string, parts: Parameters<typeof kubeconfig>[0], named: RegExp][] = [
    ['an exec plug-in', { user: { exec: { command: 'aws', args: ['eks', 'get-token'] } } }, /user\.exec/],
    ['an auth provider', { user: { 'auth-provider': { name: 'gcp' } } }, /user\.auth-provider/],
    [
      'a certificate file',
      { user: { 'client-certificate': '/c', 'client-key-data': 'x' } },
      /user\.client-certificate is a file/,
    ],
    ['a key file', { user: { ...byCertificate, 'client-key': '/k' } }, /user\.client-key is a file/],
    ['a token file', { user: { tokenFile: '/var/run/token' } }, /user\.tokenFile is a file/],
    ['a user name', { user: { username: 'admin', password: 'planted-password' } }, /user\.username/],
    ['a password', { user: { password: 'planted-password' } }, /user\.password/],
    ['impersonation', { user: { ...byToken, as: 'root' } }, /user\.as is impersonation/],
    ['impersonated groups', { user: { ...byToken, 'as-groups': ['system:masters'] } }, /user\.as-groups/],
    ['no credentials', { user: {} }, /neither a token nor a client certificate/],
    ['two kinds of credentials', { user: { ...byCertificate, ...byToken } }, /both a token and a client certificate/],
    [
      'a certificate without its key',
      { user: { 'client-certificate-data': byCertificate['client-certificate-data'] } },
      /no client-key-data/,
    ],
    [
      'a key without its certificate',
      { user: { 'client-key-data': byCertificate['client-key-data'] } },
      /no client-certificate-data/,
    ],
    [
      'the key of another certificate',
      { user: { ...byCertificate, 'client-key-data': base64(stranger.key) } },
      /not the key of/,
    ],
    [
      'a certificate that is none',
      { user: { ...byCertificate, 'client-certificate-data': base64('-----BEGIN CERTIFICATE-----\nAAAA\n') } },
      /client-certificate-data has no certificate/,
    ],
    [
      'a key that is none',
      { user: { ...byCertificate, 'client-key-data': base64('-----BEGIN PRIVATE KEY-----\nAAAA\n') } },
      /client-key-data has no private key/,
    ],
    [
      'data that is not base64 of PEM',
      { user: { ...byCertificate, 'client-key-data': client.key } },
      /client-key-data is not base64/,
    ],
    ['a token with a line break', { user: { token: 'planted-token\nx-evil: 1' } }, /user\.token has characters/],
    [
      'a CA file',
      { cluster: { ...cluster, 'certificate-authority': '/ca' } },
      /cluster\.certificate-authority is a file/,
    ],
    ['no CA', { cluster: { server: cluster.server } }, /no certificate-authority-data/],
    [
      'no check of the server',
      { cluster: { ...cluster, 'insecure-skip-tls-verify': true } },
      /cluster\.insecure-skip-tls-verify/,
    ],
    ['a proxy', { cluster: { ...cluster, 'proxy-url': 'http://proxy:3128' } }, /cluster\.proxy-url/],
    ['http', { cluster: { ...cluster, server: 'http://api:8080' } }, /cluster\.server is not an https address/],
    ['no address', { cluster: { ...cluster, server: 'api.example' } }, /cluster\.server is not an https address/],
    [
      'a password in the address',
      { cluster: { ...cluster, server: 'https://u:planted-password@api' } },
      /cluster\.server has a user/,
    ],
    ['no context', { contexts: [] }, /0 contexts/],
    [
      'two contexts',
      { contexts: ['a', 'b'].map((name) => ({ name, context: { cluster: 'c', user: 'u' } })) },
      /2 contexts/,
    ],
    [
      'a context of an unknown cluster',
      { contexts: [{ name: 'a', context: { cluster: 'other', user: 'u' } }] },
      /"other", which is not among its clusters/,
    ],
    [
      'a context of an unknown user',
      { contexts: [{ name: 'a', context: { cluster: 'c', user: 'other' } }] },
      /"other", which is not among its users/,
    ],
  ];

  it.each(cases)('because of %s: it says so, with the source and the fix', (_, parts, named) => {
    const error = refusal(stringify(kubeconfig(parts)));
    expect(error.message).toMatch(named);
    expect(error.message).toContain('mgmt-a.kubeconfig');
    expect(error.remedy).toMatch(/\w.*\.$/);
    expect(`${error.message} ${String(error.remedy)}`).not.toMatch(/planted|BEGIN/);
  });

  it.each([
    ['no YAML', 'users: [planted-token-0123456789', /not valid YAML/],
    ['no kubeconfig', 'just text', /not a kubeconfig/],
    ['no users', JSON.stringify({ ...kubeconfig(), users: undefined }), /"users" is missing/],
    ['a token that is no text', JSON.stringify(kubeconfig({ user: { token: 5 } })), /"users\.0\.user\.token"/],
  ])('because it is %s, without repeating it', (_, text, named) => {
    const error = refusal(text);
    expect(error.message).toMatch(named);
    expect(error.message).not.toContain('planted');
  });
});

describe('the client certificate', () => {
  const access = parseKubeconfig(stringify(kubeconfig()), 'mgmt-a.kubeconfig');

  it('is usable within its dates', () => {
    expect(() => {
      assertUsableAt(access, new Date('2026-06-01T00:00:00Z'));
    }).not.toThrow();
  });

  it.each([
    ['after it expired', '2027-01-01T00:00:00Z', /mgmt-a\.kubeconfig expired on 2026-12-31T00:00:00\.000Z/],
    ['before it is valid', '2025-12-31T00:00:00Z', /mgmt-a\.kubeconfig is not valid before 2026-01-01T00:00:00\.000Z/],
  ])('is refused with the date %s', (_, now, message) => {
    expect(() => {
      assertUsableAt(access, new Date(now));
    }).toThrow(message);
  });
});
