import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { permissionsOf, type PolicyRule } from '../../../lambdas/kube/enrolment-objects.ts';
import { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { platforms } from '../../../lambdas/platforms/registry.ts';
import { warningsOfRights } from '../../../lambdas/restores/rights.ts';
import { ApiServer } from '../../testbed/api-server.ts';

const platform = platforms.hypershift;
const NAME = { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' };
const NAMESPACES = ['clusters', 'clusters-prod'];
const RBAC = 'rbac.authorization.k8s.io';

let server: ApiServer;

beforeAll(async () => {
  server = await ApiServer.start();
  for (const namespace of [...NAMESPACES, 'elsewhere']) await server.kubectl(['create', 'namespace', namespace]);
});
afterAll(() => server.stop());

/** Grants a user the rules: in every namespace, or in some. */
async function grant(user: string, rules: readonly PolicyRule[], namespaces?: readonly string[]): Promise<void> {
  const subjects = [{ kind: 'User', name: user, apiGroup: RBAC }];
  for (const namespace of namespaces ?? [undefined]) {
    const kind = namespace === undefined ? 'ClusterRole' : 'Role';
    const metadata = { name: user, ...(namespace !== undefined && { namespace }) };
    const roleRef = { kind, name: user, apiGroup: RBAC };
    for (const object of [
      { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
      { apiVersion: `${RBAC}/v1`, kind: `${kind}Binding`, metadata, subjects, roleRef },
    ]) {
      await server.kubectl(['create', '-f', '-'], JSON.stringify(object));
    }
  }
}

async function warningsFor(user: string): Promise<string[]> {
  const kubeconfig = server.kubeconfig({ commonName: user, organizations: [] });
  const api = new KubeApi(parseKubeconfig(kubeconfig, user));
  try {
    return await warningsOfRights({ platform, name: NAME, api }, {});
  } finally {
    api.close();
  }
}

const withoutScale = platform.restorePermissions.map((rule) => ({
  ...rule,
  resources: rule.resources.filter((resource) => resource !== 'deployments/scale'),
}));

describe('the plan of a restore', () => {
  it('warns of nothing when the account may do all of it everywhere', async () => {
    await grant('everywhere', platform.restorePermissions);
    expect(await warningsFor('everywhere')).toEqual([]);
  });

  it('warns of nothing when the account may do it where the control plane lies', async () => {
    await grant('there', platform.restorePermissions, NAMESPACES);
    expect(await warningsFor('there')).toEqual([]);
  });

  it.each([
    ['everywhere', undefined],
    ['where the control plane lies', NAMESPACES],
  ])('names the one right that an account lacks %s, and how to get it', async (_, namespaces) => {
    const user = `without-scale-${namespaces === undefined ? 'all' : 'some'}`;
    await grant(user, withoutScale, namespaces);
    expect(await warningsFor(user)).toEqual([
      expect.stringMatching(
        /^this account may not patch deployments\.apps\/scale, unless .*lifeboat enroll mgmt-a --for restore --apply/,
      ),
    ]);
  });

  it.each([
    ['elsewhere', ['elsewhere']],
    ['nowhere', []],
  ])('names all rights to write when the account has them %s', async (where, namespaces) => {
    const user = `only-${where}`;
    await grant(user, platform.restorePermissions, namespaces);
    const [warning = '', ...more] = await warningsFor(user);
    expect(more).toEqual([]);
    const writing = permissionsOf(platform.restorePermissions).filter(({ verb }) => !['get', 'list'].includes(verb));
    const listed = warning.slice('this account may not '.length, warning.indexOf(', unless')).split(', ');
    expect(listed).toHaveLength(writing.length);
    expect(listed).toEqual(
      expect.arrayContaining(['delete pods', 'create pods/attach', 'patch statefulsets.apps/scale']),
    );
  });

  it('warns an account for backups of what it may not write', async () => {
    await grant('backups', platform.backupPermissions);
    const [warning] = await warningsFor('backups');
    expect(warning).toContain('patch hostedclusters.hypershift.openshift.io');
    expect(warning).not.toContain('pods/portforward');
  });
});
