import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ClusterUnreachableError,
  ConflictError,
  KubeconfigError,
  NotFoundError,
  PermissionError,
  UnsupportedError,
  type LifeboatError,
} from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { ADMINISTRATOR, ApiClients } from './api-clients.ts';
import { failureOf } from '../failure-of.ts';

jest.setTimeout(120_000);

const NAMESPACE = 'clusters-prod';

let server: ApiServer;
const clients = new ApiClients();
beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(['create', 'namespace', NAMESPACE]);
  await create(workload('Deployment'), workload('StatefulSet'), configMap('patched', { kept: '1', gone: '2' }));
});
afterAll(async () => {
  await server.stop();
});
afterEach(() => clients.end());

function connect(user: { commonName: string } = ADMINISTRATOR, port = server.port): KubeApi {
  return clients.connect(server.kubeconfig(user, port));
}

/** A client whose first answer to a request by this method is lost. */
async function connectLosing(method: string): Promise<KubeApi> {
  let left = 1;
  const front = await clients.startFront(server, {
    loseAnswer: (request) => request.method === method && (left -= 1) >= 0,
  });
  return connect(ADMINISTRATOR, front.port);
}

async function create(...items: readonly KubernetesObject[]): Promise<void> {
  await server.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

function pod(name: string, image = 'registry.example.com/etcd', namespace = NAMESPACE): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { 'lifeboat.io/operation': 'restore-1' } },
    spec: { containers: [{ name: 'done', image }] },
  };
}

function configMap(name: string, data: Record<string, string> = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: NAMESPACE }, data };
}

function workload(kind: 'Deployment' | 'StatefulSet'): KubernetesObject {
  const labels = { app: kind };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'workload', namespace: NAMESPACE },
    spec: {
      replicas: 3,
      ...(kind === 'StatefulSet' && { serviceName: 'workload' }),
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'registry.example.com/main' }] } },
    },
  };
}

function referenceTo({ apiVersion, kind, metadata: { namespace = NAMESPACE, name } }: KubernetesObject) {
  return { apiVersion, kind, namespace, name };
}

/** The refusal to create the object, once the API server goes by a rule that has just been made. */
async function refusalOnceInForce(object: KubernetesObject): Promise<LifeboatError> {
  const api = connect();
  return waitFor(
    'the rule to be in force',
    async () => {
      try {
        await api.create(object);
      } catch (error) {
        return error as LifeboatError;
      }
      await api.delete(referenceTo(object), { gracePeriodSeconds: 0 });
      return undefined;
    },
    { timeoutSeconds: 60 },
  );
}

describe('creating', () => {
  it('makes the object, and says so when there is one of that name', async () => {
    const api = connect();
    const made = await api.create(pod('made'));
    expect(made).toMatchObject({ kind: 'Pod', metadata: { name: 'made' } });
    expect(made).toEqual(await api.get(referenceTo(pod('made'))));
    expect(await api.create(pod('made', 'registry.example.com/other'))).toBe('exists');
    expect(await api.get(referenceTo(pod('made')))).toEqual(made);
  });

  it('makes one object when its answer is lost', async () => {
    const api = await connectLosing('POST');
    expect(await api.create(pod('answer-lost'))).toBe('exists');
    expect(await api.get(referenceTo(pod('answer-lost')))).toMatchObject({ spec: { containers: [{ name: 'done' }] } });
  });

  it('names the fields that the API server finds not valid, and not what is in them', async () => {
    const failure = await failureOf(connect().create(pod('Planted', '')));
    expect(failure).toBeInstanceOf(UnsupportedError);
    expect(failure.message).toMatch(
      /could not create pods in namespace "clusters-prod" on https:.*: it is not valid there \(metadata\.name, spec\.containers\[0\]\.image\)$/,
    );
  });

  it('says that the namespace is not there', async () => {
    const failure = await failureOf(connect().create(pod('a', undefined, 'missing')));
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure.message).toMatch(/could not create pods in namespace "missing" on .*: its namespace is not there/);
  });

  it('says that a quota is used up, and not that a rule is missing', async () => {
    await server.kubectl(['create', 'namespace', 'full']);
    await server.kubectl(['create', 'quota', 'planted', '-n', 'full', '--hard=pods=0']);
    // What the quota controller does, of which there is none here.
    const status = { status: { hard: { pods: '0' }, used: { pods: '0' } } };
    await server.kubectl([
      ...['patch', 'quota', 'planted', '-n', 'full', '--subresource=status'],
      ...['--type=merge', '-p', JSON.stringify(status)],
    ]);
    const failure = await refusalOnceInForce(pod('a', undefined, 'full'));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toMatch(/a ResourceQuota of the namespace does not leave room for it$/);
    expect(failure.message + String(failure.remedy)).not.toMatch(/planted|apiGroups/);
  });

  it('says that the Pod Security level forbids the pod', async () => {
    await server.kubectl(['create', 'namespace', 'restricted']);
    await server.kubectl(['label', 'ns', 'restricted', 'pod-security.kubernetes.io/enforce=restricted']);
    const failure = await failureOf(connect().create(pod('a', undefined, 'restricted')));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toMatch(/the Pod Security level that the namespace enforces forbids such a pod/);
    expect(failure.remedy).toMatch(/pod-security\.kubernetes\.io\/enforce/);
  });

  it('names the admission policy that denies it', async () => {
    const [apiVersion, name] = ['admissionregistration.k8s.io/v1', 'no-mirrors.example.com'];
    const rule = { apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] };
    const expression = "object.metadata.name != 'denied'";
    await create(
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: { resourceRules: [rule] },
          validations: [{ expression, message: 'planted' }],
        },
      },
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    );
    const failure = await refusalOnceInForce(configMap('denied'));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toMatch(/an admission rule of the cluster denies it \("no-mirrors\.example\.com"\)$/);
  });
});

describe('merging', () => {
  const target = referenceTo(configMap('patched'));

  it('changes what the patch names and nothing else, also when its answer is lost', async () => {
    const api = await connectLosing('PATCH');
    const patch = { data: { gone: null, added: '3' } };
    const after = await api.merge(target, patch);
    expect(after).toMatchObject({ data: { kept: '1', added: '3' } });
    expect(after['data']).not.toHaveProperty('gone');
    expect(await api.merge(target, patch)).toEqual(after);
  });

  it('says that the object is not there', async () => {
    const failure = await failureOf(connect().merge({ ...target, name: 'missing' }, { data: {} }));
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure.message).toMatch(
      /could not patch configmaps "missing" in namespace "clusters-prod" on .*: it is not/,
    );
  });

  it('leaves an object alone that has another uid than the one that is meant', async () => {
    const api = connect();
    const uid = '00000000-0000-4000-8000-000000000000';
    const failure = await failureOf(api.merge(target, { metadata: { uid }, data: { added: 'wrong' } }));
    expect(failure).toBeInstanceOf(ConflictError);
    const before = await api.get(target);
    expect(before).not.toHaveProperty('data.added', 'wrong');
    expect(await api.merge(target, { metadata: { uid: before?.metadata.uid } })).toEqual(before);
  });

  it('tries again while somebody else changes it', async () => {
    let left = 2;
    const front = await clients.startFront(server, {
      answer: (request, response) => {
        if (request.method !== 'PATCH' || (left -= 1) < 0) return false;
        request.resume();
        response.writeHead(409).end(JSON.stringify({ kind: 'Status', reason: 'Conflict', message: 'planted' }));
        return true;
      },
    });
    expect(await connect(ADMINISTRATOR, front.port).merge(target, {})).toMatchObject({ kind: 'ConfigMap' });
  });
});

describe('scaling', () => {
  it.each([workload('Deployment'), workload('StatefulSet')])('a $kind gives how many pods it has', async (object) => {
    const api = connect();
    const target = referenceTo(object);
    const status = { status: { replicas: 2 } };
    await server.kubectl([
      ...['patch', target.kind, target.name, '-n', NAMESPACE, '--subresource=status'],
      ...['--type=merge', '-p', JSON.stringify(status)],
    ]);
    expect(await api.scale(target, 0)).toBe(2);
    expect(await api.get(target)).toMatchObject({ spec: { replicas: 0 } });
    expect(await api.scale(target, 3)).toBe(2);
    expect(await api.get(target)).toMatchObject({ spec: { replicas: 3 } });
  });

  it('says that the workload is not there', async () => {
    const failure = await failureOf(connect().scale({ ...referenceTo(workload('Deployment')), name: 'missing' }, 0));
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure.message).toMatch(/could not patch deployments\/scale "missing"/);
  });
});

describe('deleting', () => {
  it('says whether the object was there', async () => {
    const api = connect();
    await create(configMap('deleted'));
    const target = referenceTo(configMap('deleted'));
    expect(await api.delete(target)).toBe(true);
    expect(await api.get(target)).toBeUndefined();
    expect(await api.delete(target)).toBe(false);
  });

  it('deletes once when its answer is lost', async () => {
    await create(configMap('answer-lost'));
    const api = await connectLosing('DELETE');
    expect(await api.delete(referenceTo(configMap('answer-lost')))).toBe(false);
    expect(await api.get(referenceTo(configMap('answer-lost')))).toBeUndefined();
  });

  it('takes the grace time to a pod that runs on a node', async () => {
    const api = connect();
    await create({ ...pod('graceful'), spec: { ...(pod('graceful')['spec'] as object), nodeName: 'node-0' } });
    const target = referenceTo(pod('graceful'));
    expect(await api.delete(target, { gracePeriodSeconds: 7 })).toBe(true);
    expect(await api.get(target)).toMatchObject({ metadata: { deletionGracePeriodSeconds: 7 } });
    expect(await api.delete(target, { gracePeriodSeconds: 0 })).toBe(true);
    expect(await api.get(target)).toBeUndefined();
  });

  it('leaves an object alone that has another uid than the one that is meant', async () => {
    const api = connect();
    await create(configMap('renewed'));
    const target = referenceTo(configMap('renewed'));
    const uid = '00000000-0000-4000-8000-000000000000';
    const failure = await failureOf(api.delete(target, { uid }));
    expect(failure).toBeInstanceOf(ConflictError);
    expect(failure.message).toMatch(/could not delete configmaps "renewed".*: another object has this name now/);
    const found = await api.get(target);
    expect(await api.delete(target, { uid: String(found?.metadata.uid) })).toBe(true);
  });

  it('does not believe something that is no API server about what is not there', async () => {
    const front = await clients.startFront(server, {
      answer: ({ method }, response) => method === 'DELETE' && Boolean(response.writeHead(404).end('planted')),
    });
    const failure = await failureOf(connect(ADMINISTRATOR, front.port).delete(referenceTo(configMap('patched'))));
    expect(failure).toBeInstanceOf(KubeconfigError);
    expect(await connect().get(referenceTo(configMap('patched')))).toBeDefined();
  });
});

describe('what RBAC refuses', () => {
  const cases: [call: string, (api: KubeApi) => Promise<unknown>, what: string, rule: string][] = [
    [
      'create',
      (api) => api.create(pod('a')),
      'create pods in namespace "clusters-prod"',
      '{apiGroups: [""], resources: ["pods"], verbs: ["create"]}',
    ],
    [
      'merge',
      (api) => api.merge(referenceTo(configMap('patched')), {}),
      'patch configmaps "patched" in namespace "clusters-prod"',
      '{apiGroups: [""], resources: ["configmaps"], resourceNames: ["patched"], verbs: ["patch"]}',
    ],
    [
      'scale',
      (api) => api.scale(referenceTo(workload('StatefulSet')), 0),
      'patch statefulsets/scale "workload" in namespace "clusters-prod"',
      '{apiGroups: ["apps"], resources: ["statefulsets/scale"], resourceNames: ["workload"], verbs: ["patch"]}',
    ],
    [
      'delete',
      (api) => api.delete(referenceTo(pod('a'))),
      'delete pods "a" in namespace "clusters-prod"',
      '{apiGroups: [""], resources: ["pods"], resourceNames: ["a"], verbs: ["delete"]}',
    ],
  ];
  it.each(cases)('is named with its missing rule: %s', async (_, call, what, rule) => {
    const failure = await failureOf(call(connect({ commonName: 'stranger' })));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toContain(`the user in mgmt-a.kubeconfig may not ${what} on https:`);
    expect(failure.remedy).toContain(`Add this rule to its Role in namespace "clusters-prod": ${rule};`);
  });

  it('is allowed by the subresource alone where only that is used', async () => {
    const scaler = ['scaler', '-n', NAMESPACE];
    await server.kubectl(['create', 'role', ...scaler, '--verb=patch', '--resource=deployments.apps/scale']);
    await server.kubectl(['create', 'rolebinding', ...scaler, '--role=scaler', '--user=scaler']);
    const api = connect({ commonName: 'scaler' });
    await api.scale(referenceTo(workload('Deployment')), 1);
    expect(await failureOf(api.merge(referenceTo(workload('Deployment')), {}))).toBeInstanceOf(PermissionError);
  });
});

describe('an API server in trouble', () => {
  it('is asked to write again, and told of when it stays so', async () => {
    const front = await clients.startFront(server, {
      answer: (request, response) => {
        if (request.method === 'GET') return false;
        request.resume();
        response.writeHead(503).end('planted');
        return true;
      },
    });
    const api = connect(ADMINISTRATOR, front.port);
    const failure = await failureOf(api.create(pod('never')));
    expect(failure).toBeInstanceOf(ClusterUnreachableError);
    expect(failure.message).toMatch(
      /could not create pods in namespace "clusters-prod" on .*: the API server answered 503/,
    );
    expect(front.paths.filter((path) => path.includes('/pods'))).toHaveLength(4);
  });
});
