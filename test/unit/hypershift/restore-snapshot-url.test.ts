import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { ConfigurationError, RestoreRefusedError } from '../../../lambdas/domain/errors.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { parseNewHostedCluster, refuseUnfitUrl } from '../../../lambdas/platforms/hypershift/restore-snapshot-url.ts';

const URL = new Secret('https://bucket.s3.eu-central-1.amazonaws.com/staging/a?X-Amz-Signature=0123456789abcdef');

/** A manifest as the platform's own command line renders it, with what the test puts below `spec`. */
const manifest = (spec: string, kind = 'HostedCluster') => `apiVersion: v1
kind: Secret
metadata: { name: prod-pull-secret, namespace: clusters }
---
apiVersion: hypershift.openshift.io/v1beta1
kind: ${kind}
metadata:
  name: prod
  namespace: clusters
spec:
  # kept
  release: { image: registry.example/release:4.21.0 }
${spec
  .split('\n')
  .map((line) => `  ${line}`)
  .join('\n')}
`;
const SINGLE = 'controllerAvailabilityPolicy: SingleReplica';
const OPTIONS = { source: 'prod.yaml', formsOneCluster: false };

function specIn(text: string): unknown {
  const documents = parseAllDocuments(text).map((document) => document.toJS() as { kind: string; spec: unknown });
  expect(documents.map(({ kind }) => kind)).toEqual(['Secret', 'HostedCluster']);
  return documents[1]?.spec;
}

describe('the manifest of a HostedCluster that is going to be created', () => {
  it.each([
    ['says nothing of etcd', SINGLE, { type: 'PersistentVolume', persistentVolume: { size: '8Gi' } }],
    [
      'says how large its volumes are',
      `${SINGLE}\netcd: { managementType: Managed, managed: { storage: { type: PersistentVolume, persistentVolume: { size: 16Gi } } } }`,
      { type: 'PersistentVolume', persistentVolume: { size: '16Gi' } },
    ],
  ])('gets the URL and keeps all the rest when it %s', (_, spec, storage) => {
    const parsed = parseNewHostedCluster(manifest(spec), OPTIONS);
    expect(parsed).toMatchObject({ namespace: 'clusters', name: 'prod' });
    const text = parsed.withRestoreUrl(URL);
    expect(specIn(text)).toEqual({
      release: { image: 'registry.example/release:4.21.0' },
      controllerAvailabilityPolicy: 'SingleReplica',
      etcd: { managementType: 'Managed', managed: { storage: { ...storage, restoreSnapshotURL: [URL.reveal()] } } },
    });
    expect(text).toContain('# kept');
  });

  it.each([
    ['its etcd is another one', `${SINGLE}\netcd: { managementType: Unmanaged }`, /Unmanaged/, /lifeboat export/],
    [
      'the field is set',
      `${SINGLE}\netcd: { managementType: Managed, managed: { storage: { restoreSnapshotURL: [https://a] } } }`,
      /has a restoreSnapshotURL already/,
      /Take it out/,
    ],
    [
      'it has three members',
      'controllerAvailabilityPolicy: HighlyAvailable',
      /three members as three clusters/,
      /--accept-other-uid.*--etcd-init-forms-one-cluster/,
    ],
    ['it has three members by default', 'dns: {}', /HighlyAvailable/, /--accept-other-uid/],
  ])('is refused when %s', (_, spec, message, remedy) => {
    const parse = () => parseNewHostedCluster(manifest(spec), OPTIONS);
    expect(parse).toThrow(RestoreRefusedError);
    expect(parse).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) }),
    );
  });

  it('may have three members when somebody has checked what the platform does', () => {
    const text = manifest('controllerAvailabilityPolicy: HighlyAvailable');
    expect(() => parseNewHostedCluster(text, { ...OPTIONS, formsOneCluster: true })).not.toThrow();
  });

  it.each([
    ['is empty', ''],
    ['is no YAML', '{'],
    ['holds something else', manifest(SINGLE, 'NodePool')],
    ['holds two', `${manifest(SINGLE)}---\n${manifest(SINGLE)}`],
    ['lacks a namespace', manifest(SINGLE).replace('  namespace: clusters\n', '')],
  ])('is refused when the file %s', (_, text) => {
    expect(() => parseNewHostedCluster(text, OPTIONS)).toThrow(ConfigurationError);
  });
});

describe('a URL for the field', () => {
  const hostedCluster = parseNewHostedCluster(manifest(SINGLE), OPTIONS);
  const ofLength = (length: number) => new Secret(URL.reveal().padEnd(length, '0'));

  it('is taken up to the length that the platform takes', () => {
    expect(() => {
      refuseUnfitUrl(ofLength(1024), hostedCluster, false);
    }).not.toThrow();
    expect(() => {
      refuseUnfitUrl(ofLength(1025), hostedCluster, false);
    }).toThrow(/has 1025 characters, and .* takes 1024/);
  });

  it('is refused with the reason when the token of a session makes it too long, and is not repeated', () => {
    const refuse = () => {
      refuseUnfitUrl(ofLength(1800), hostedCluster, true);
    };
    expect(refuse).toThrow(/1800 characters, because it carries the token of a session/);
    expect(refuse).toThrow(expect.objectContaining({ remedy: expect.stringMatching(/IAM user.*--accept-other-uid/) }));
    expect(refuse).not.toThrow(/X-Amz/);
  });

  it('is refused without TLS', () => {
    const plain = new Secret(URL.reveal().replace('https', 'http'));
    expect(() => {
      refuseUnfitUrl(plain, hostedCluster, false);
    }).toThrow(/https/);
  });
});
