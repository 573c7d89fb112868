import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import * as z from 'zod';
import { permissionsOf, type Permission, type PolicyRule } from '../../../lambdas/kube/enrolment-objects.ts';
import { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { secretsManagerKubeconfigs } from '../../../lambdas/kube/secrets-manager-kubeconfigs.ts';
import type { Purpose } from '../../../lambdas/domain/purpose.ts';
import { rulesFor } from '../../../lambdas/platforms/permissions.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import { Workspace, type CommandOutcome } from '../../suite/lifeboat.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { NO_OTHER_CREDENTIALS, withEnvironment } from '../environment.ts';
import { startMoto } from '../aws/moto-server.ts';

jest.setTimeout(120_000);

const ADMINISTRATOR = { commonName: 'administrator', organizations: ['system:masters'] };
const EVERYTHING = 'namespaces,serviceaccounts,clusterroles,clusterrolebindings';
const FOREIGN = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'foreign' } };

let server: ApiServer;
let workspace: Workspace;

beforeAll(async () => {
  server = await ApiServer.start();
  workspace = await Workspace.create({
    store: './recovery-points',
    managementClusters: { 'mgmt-a': { kubeconfig: './administrator.kubeconfig' } },
  });
  await writeFile(file('administrator.kubeconfig'), server.kubeconfig(ADMINISTRATOR), { mode: 0o600 });
});
afterAll(async () => {
  await workspace.remove();
  await server.stop();
});
afterEach(async () => {
  const ours = ['--selector', 'app.kubernetes.io/managed-by=lifeboat', '--ignore-not-found'];
  await server.kubectl(['delete', 'clusterroles,clusterrolebindings', ...ours]);
  await server.kubectl(['delete', 'serviceaccounts,roles,rolebindings', '--all-namespaces', ...ours]);
});

const file = (name: string): string => join(workspace.directory, name);

/** Runs `lifeboat enroll mgmt-a`. */
async function enroll(...args: readonly string[]): Promise<CommandOutcome> {
  return await workspace.run(['enroll', 'mgmt-a', ...args]);
}

async function tokenIn(name: string): Promise<string> {
  const { users } = parse(await readFile(file(name), 'utf8')) as { users: [{ user: { token: string } }] };
  await plantSecrets([users[0].user.token]);
  return users[0].user.token;
}

/** All that the kubeconfig's user may do in a namespace that knows nothing of it, as the API server says. */
async function grantedTo(name: string, namespace = 'default'): Promise<Set<string>> {
  const api = new KubeApi(parseKubeconfig(await readFile(file(name), 'utf8'), name));
  const rule = z.object({ apiGroups: z.array(z.string()), resources: z.array(z.string()), verbs: z.array(z.string()) });
  try {
    const { status } = await api.request(
      { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview' },
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectRulesReview',
        spec: { namespace },
      },
      z.looseObject({ status: z.looseObject({ resourceRules: z.array(rule) }) }),
    );
    return namesOf(permissionsOf(status.resourceRules));
  } finally {
    api.close();
  }
}

function namesOf(permissions: readonly Permission[]): Set<string> {
  return new Set(permissions.map(({ group, resource, verb }) => `${verb} ${group}/${resource}`));
}

/** What Kubernetes lets everybody do who is let in (system:basic-user). */
const EVERYBODY = ['selfsubjectaccessreviews', 'selfsubjectrulesreviews']
  .map((resource) => `create authorization.k8s.io/${resource}`)
  .concat('create authentication.k8s.io/selfsubjectreviews');

describe('what enroll prints', () => {
  it('is YAML that kubectl takes, and nothing is made of it', async () => {
    const before = await server.kubectl(['get', EVERYTHING, '--all-namespaces', '--output=name']);
    for (const purpose of ['backup', 'restore', 'all']) {
      const { exitCode, stdout } = await enroll('--for', purpose);
      expect(exitCode).toBe(0);
      expect(await server.kubectl(['apply', '--dry-run=client', '-f', '-'], stdout)).toContain('clusterrole');
    }
    expect(await server.kubectl(['get', EVERYTHING, '--all-namespaces', '--output=name'])).toBe(before);
  });

  it.each(['backup', 'restore'] as const)(
    'grants for %s what the platforms ask for, and nothing else',
    async (purpose) => {
      const { stdout } = await enroll('--for', purpose);
      const objects = parseAllDocuments(stdout).map(
        (document) => document.toJS() as { kind: string; rules: PolicyRule[] },
      );
      const rules = objects.filter(({ kind }) => kind === 'ClusterRole').flatMap((role) => role.rules);
      expect(namesOf(permissionsOf(rules))).toEqual(namesOf(permissionsOf(rulesFor(purpose))));
      expect(stdout.includes('can mount every Secret')).toBe(purpose === 'restore');
    },
  );

  it('can be applied by hand, and is then taken for ours', async () => {
    const { stdout } = await enroll('--namespace', 'by-hand');
    await server.kubectl(['apply', '-f', '-'], stdout);
    const { exitCode } = await enroll('--namespace', 'by-hand', '--apply', '--to', 'by-hand.kubeconfig');
    expect(exitCode).toBe(0);
    await tokenIn('by-hand.kubeconfig');
  });
});

describe('enroll --apply', () => {
  it.each<[Purpose | 'all', Purpose[], string]>([
    ['backup', ['backup'], 'mgmt-a:\n      kubeconfig: '],
    ['restore', ['restore'], 'mgmt-a:\n      restore:\n        kubeconfig: '],
    ['all', ['backup', 'restore'], 'mgmt-a:\n      kubeconfig: '],
  ])('for %s makes an account with exactly these rules', async (wanted, purposes, line) => {
    const name = `exact-${wanted}.kubeconfig`;
    const { exitCode, stdout, stderr } = await enroll('--for', wanted, '--apply', '--to', name);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('permissions: all rules checked and effective');
    expect(stdout).toContain(`${line}${file(name)}`);
    const rules = purposes.flatMap(rulesFor);
    expect(await grantedTo(name)).toEqual(new Set([...namesOf(permissionsOf(rules)), ...EVERYBODY]));
    const token = await tokenIn(name);
    expect(stdout).not.toContain(token);
    expect((await stat(file(name))).mode & 0o777).toBe(0o600);
  });

  it('changes nothing the second time, and takes back what was changed meanwhile', async () => {
    const apply = async () => {
      const { stdout } = await enroll('--apply', '--to', 'twice.kubeconfig', '--force', '--json');
      await tokenIn('twice.kubeconfig');
      return (JSON.parse(stdout) as { objects: { kind: string; outcome: string }[] }).objects.map(
        ({ kind, outcome }) => `${kind} ${outcome}`,
      );
    };
    expect((await apply()).slice(1)).toEqual([
      'ServiceAccount created',
      'ClusterRole created',
      'ClusterRoleBinding created',
    ]);
    const unchanged = [
      'Namespace unchanged',
      'ServiceAccount unchanged',
      'ClusterRole unchanged',
      'ClusterRoleBinding unchanged',
    ];
    expect(await apply()).toEqual(unchanged);
    const more = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
    await server.kubectl(['patch', 'clusterrole', 'lifeboat-backup', '-p', JSON.stringify({ rules: more })]);
    expect(await apply()).toEqual(unchanged.with(2, 'ClusterRole changed'));
    expect(await grantedTo('twice.kubeconfig')).not.toContain('* */*');
  });

  it('with --only-in grants everything in these namespaces, and nothing in any other', async () => {
    const places = ['confined', 'confined-prod'];
    for (const place of places) await server.kubectl(['create', 'namespace', place]);
    const only = places.flatMap((place) => ['--only-in', place]);
    // An enrolment for the whole cluster that was there before gives the confined account nothing.
    await enroll('--for', 'all', '--apply', '--to', 'wide.kubeconfig');
    await tokenIn('wide.kubeconfig');
    const { exitCode, stdout } = await enroll('--for', 'all', '--apply', ...only, '--to', 'confined.kubeconfig');
    await tokenIn('confined.kubeconfig');
    expect(stdout).toContain('permissions: all rules checked and effective');
    expect(stdout).toContain(`namespaces:\n        - ${places.join('\n        - ')}`);
    expect(stdout).toContain('It reaches nothing outside of confined, confined-prod.');
    expect(exitCode).toBe(0);
    const rules = namesOf(permissionsOf([...rulesFor('backup'), ...rulesFor('restore')]));
    for (const place of places) {
      expect(await grantedTo('confined.kubeconfig', place)).toEqual(new Set([...rules, ...EVERYBODY]));
    }
    expect(await grantedTo('confined.kubeconfig')).toEqual(new Set(EVERYBODY));
  });

  it('with --only-in says which namespace is not there', async () => {
    const { exitCode, stderr } = await enroll('--apply', '--only-in', 'nowhere', '--to', 'nowhere.kubeconfig');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('in namespace "nowhere"');
  });

  it('says when the token ends, and how to get another', async () => {
    const { stdout } = await enroll('--apply', '--to', 'end.kubeconfig', '--token-days', '7', '--json');
    const { token, renew } = JSON.parse(stdout) as { token: { endsAt: string; grantedSeconds: number }; renew: string };
    expect(token.grantedSeconds).toBe(7 * 86_400);
    const [, payload = ''] = (await tokenIn('end.kubeconfig')).split('.');
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: number };
    expect(Date.parse(token.endsAt)).toBe(exp * 1000);
    expect(renew).toContain('--force --token-days 7');
  });

  it('uses a namespace that was there, and leaves it as it is', async () => {
    await server.kubectl(['create', 'namespace', 'somebodys']);
    const { stdout } = await enroll('--apply', '--namespace', 'somebodys', '--to', 'somebodys.kubeconfig');
    await tokenIn('somebodys.kubeconfig');
    expect(stdout).toContain('Namespace somebodys: was there already, left as it is');
    const labels = await server.kubectl(['get', 'namespace', 'somebodys', '--output=jsonpath={.metadata.labels}']);
    expect(labels).not.toContain('lifeboat');
  });

  it.each([
    ['clusterrole', 'lifeboat-backup', ['--verb=get', '--resource=pods']],
    ['serviceaccount', 'foreign/lifeboat-backup', []],
  ])('writes nothing when the %s %s is somebody else’s', async (kind, name, more) => {
    await server.kubectl(['apply', '-f', '-'], JSON.stringify(FOREIGN));
    const object = [kind, 'lifeboat-backup', '--namespace', 'foreign'];
    await server.kubectl(['create', ...object, ...more]);
    try {
      const before = await server.kubectl(['get', EVERYTHING, '--all-namespaces', '--output=yaml']);
      const { exitCode, stderr } = await enroll('--apply', '--namespace', 'foreign', '--to', 'foreign.kubeconfig');
      expect(exitCode).toBe(3);
      expect(stderr).toMatch(new RegExp(`not made by Lifeboat, and left alone: ${kind} ${name}`, 'i'));
      expect(await server.kubectl(['get', EVERYTHING, '--all-namespaces', '--output=yaml'])).toBe(before);
      await expect(stat(file('foreign.kubeconfig'))).rejects.toThrow('ENOENT');
    } finally {
      await server.kubectl(['delete', ...object]);
    }
  });

  it('does not replace a kubeconfig, and does nothing at all then', async () => {
    await writeFile(file('kept.kubeconfig'), 'kept');
    const { exitCode, stderr } = await enroll('--apply', '--to', 'kept.kubeconfig');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('exists already');
    expect(await readFile(file('kept.kubeconfig'), 'utf8')).toBe('kept');
    expect(await server.kubectl(['get', 'clusterrole', 'lifeboat-backup', '--ignore-not-found'])).toBe('');
  });

  it('says what it takes when the user may not grant the rules', async () => {
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'half-administrator' },
    };
    const rules = [
      {
        apiGroups: ['', 'rbac.authorization.k8s.io'],
        resources: EVERYTHING.split(','),
        verbs: ['get', 'create', 'patch'],
      },
    ];
    await server.kubectl(['apply', '-f', '-'], JSON.stringify({ ...role, rules }));
    await server.kubectl(['create', 'clusterrolebinding', 'half', '--clusterrole=half-administrator', '--user=half']);
    await writeFile(file('half.kubeconfig'), server.kubeconfig({ commonName: 'half' }));
    const { exitCode, stderr } = await enroll('--apply', '--kubeconfig', 'half.kubeconfig', '--to', 'never.kubeconfig');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/may not patch and create clusterroles "lifeboat-backup"/);
    expect(stderr).toContain('who grants rules must have them all');
  });

  it('puts the kubeconfig into Secrets Manager instead', async () => {
    const moto = await startMoto();
    const environment = {
      ...NO_OTHER_CREDENTIALS,
      AWS_ENDPOINT_URL: moto.endpoint,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'moto',
      AWS_SECRET_ACCESS_KEY: 'moto',
    };
    try {
      await withEnvironment(environment, async () => {
        const secret = 'lifeboat/management-clusters/mgmt-a';
        const { exitCode, stdout } = await enroll('--apply', '--secret', secret, '--json');
        expect(exitCode).toBe(0);
        expect(JSON.parse(stdout)).toMatchObject({ configuration: { managementClusters: { 'mgmt-a': { secret } } } });
        const { text } = await secretsManagerKubeconfigs().read(secret);
        await writeFile(file('from-secret.kubeconfig'), text.reveal(), { mode: 0o600 });
        expect(stdout).not.toContain(await tokenIn('from-secret.kubeconfig'));
        expect(await grantedTo('from-secret.kubeconfig')).toContain('list hypershift.openshift.io/hostedclusters');
      });
    } finally {
      await moto.stop();
    }
  });

  it('is not for the account that it made', async () => {
    await enroll('--apply', '--to', 'account.kubeconfig');
    await tokenIn('account.kubeconfig');
    const { exitCode, stderr } = await enroll(
      '--apply',
      '--kubeconfig',
      'account.kubeconfig',
      '--to',
      'more.kubeconfig',
    );
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/may not get namespaces "lifeboat"[^]*Use an administrator's kubeconfig/);
  });

  it.each([
    [['--token-days', '0'], '--token-days 0 is not a number of days'],
    [['--namespace', 'Not/One'], '"Not/One" cannot name a namespace'],
    [['--to', 'a', '--secret', 'b'], '--to and --secret were both given'],
    [['--kubeconfig', 'absent.kubeconfig'], "can't be read: ENOENT"],
  ])('refuses %j', async (args, message) => {
    const { exitCode, stderr } = await enroll('--apply', ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });
});
