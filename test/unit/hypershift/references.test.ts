import { describe, expect, it } from '@jest/globals';
import { UnsupportedError } from '../../../lambdas/domain/errors.ts';
import {
  completedVersion,
  controlPlaneNamespace,
  parseHostedCluster,
  stateOf,
} from '../../../lambdas/platforms/hypershift/hosted-cluster.ts';
import { findReferences } from '../../../lambdas/platforms/hypershift/references.ts';

describe('references of a HostedCluster', () => {
  it('are found wherever they stand, with the field that makes them', () => {
    const configuration = {
      apiServer: { servingCerts: { namedCertificates: [{ names: ['a'], servingCertificate: { name: 'serving' } }] } },
      oauth: {
        identityProviders: [
          { name: 'users', type: 'HTPasswd', htpasswd: { fileData: { name: 'htpasswd' } } },
          { name: 'sso', openID: { ca: { name: 'sso-ca' }, clientSecret: { name: 'sso-client' } } },
          { name: 'ldap', ldap: { bindPassword: { name: 'ldap-password' }, ca: { name: '' } } },
        ],
      },
      proxy: { trustedCA: { name: 'proxy-ca' } },
    };
    expect(findReferences(configuration, 'spec.configuration')).toEqual([
      {
        kind: 'Secret',
        name: 'serving',
        field: 'spec.configuration.apiServer.servingCerts.namedCertificates[0].servingCertificate',
      },
      { kind: 'Secret', name: 'htpasswd', field: 'spec.configuration.oauth.identityProviders[0].htpasswd.fileData' },
      { kind: 'ConfigMap', name: 'sso-ca', field: 'spec.configuration.oauth.identityProviders[1].openID.ca' },
      {
        kind: 'Secret',
        name: 'sso-client',
        field: 'spec.configuration.oauth.identityProviders[1].openID.clientSecret',
      },
      {
        kind: 'Secret',
        name: 'ldap-password',
        field: 'spec.configuration.oauth.identityProviders[2].ldap.bindPassword',
      },
      { kind: 'ConfigMap', name: 'proxy-ca', field: 'spec.configuration.proxy.trustedCA' },
    ]);
  });

  it('include both keys of an encryption and no key that is only an ARN', () => {
    const aescbc = { type: 'aescbc', aescbc: { activeKey: { name: 'new-key' }, backupKey: { name: 'old-key' } } };
    expect(findReferences(aescbc, 'spec.secretEncryption').map(({ name }) => name)).toEqual(['new-key', 'old-key']);
    const kms = { type: 'kms', kms: { provider: 'AWS', aws: { activeKey: { arn: 'arn:aws:kms:key' } } } };
    expect(findReferences(kms, 'spec.secretEncryption')).toEqual([]);
  });

  it('are none where nothing is configured', () => {
    expect(findReferences(undefined, 'spec.configuration')).toEqual([]);
  });
});

describe('a HostedCluster', () => {
  const minimal = {
    apiVersion: 'hypershift.openshift.io/v1beta1',
    kind: 'HostedCluster',
    metadata: { namespace: 'clusters', name: 'prod', uid: 'uid' },
    spec: { etcd: { managementType: 'Managed' } },
  };

  it('may leave out everything that it does not have yet', () => {
    const hostedCluster = parseHostedCluster(minimal);
    expect(completedVersion(hostedCluster)).toBeNull();
    expect(stateOf(hostedCluster)).toBe('not available');
  });

  it('says its last completed version, and that it is paused', () => {
    const hostedCluster = parseHostedCluster({
      ...minimal,
      spec: { ...minimal.spec, pausedUntil: 'true' },
      status: {
        version: {
          history: [
            { state: 'Partial', version: '4.21.0' },
            { state: 'Completed', version: '4.20.8' },
          ],
        },
        conditions: [{ type: 'Available', status: 'True' }],
      },
    });
    expect(completedVersion(hostedCluster)).toBe('4.20.8');
    expect(stateOf(hostedCluster)).toBe('available, pausedUntil true');
  });

  it('of an unknown form is refused with the field that is off', () => {
    const strange = { ...minimal, spec: { etcd: {} } };
    expect(() => parseHostedCluster(strange)).toThrow(UnsupportedError);
    expect(() => parseHostedCluster(strange)).toThrow(/clusters\/prod .*managementType/s);
  });

  it('has its pods in a namespace without dots', () => {
    expect(controlPlaneNamespace({ namespace: 'clusters', name: 'prod.eu.1' })).toBe('clusters-prod-eu-1');
  });
});
