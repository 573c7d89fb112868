import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ClusterUnreachableError,
  KubeconfigError,
  NotFoundError,
  PermissionError,
} from '../../../lambdas/domain/errors.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import type { KubeApi, KubeApiOptions } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { ADMINISTRATOR, ApiClients, SOURCE } from './api-clients.ts';
import type { ApiFront, Interference } from './api-front.ts';
import { failureOf } from '../failure-of.ts';

jest.setTimeout(120_000);

const SECRET = { apiVersion: 'v1', kind: 'Secret', namespace: 'clusters', name: 'pull-secret' };
const CRD = 'apiextensions.k8s.io/v1';

let server: ApiServer;
const clients = new ApiClients();
beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(['create', 'namespace', 'clusters']);
  await server.kubectl([
    'create',
    'secret',
    'generic',
    'pull-secret',
    '-n',
    'clusters',
    '--from-literal=key=planted-value-0123',
  ]);
});
afterAll(async () => {
  await server.stop();
});
afterEach(() => clients.end());

function connect(kubeconfig = server.kubeconfig(ADMINISTRATOR), options: KubeApiOptions = {}): KubeApi {
  return clients.connect(kubeconfig, options);
}

describe('the API of a real kube-apiserver', () => {
  it('tells its version', async () => {
    const { gitVersion } = JSON.parse(await server.kubectl(['get', '--raw', '/version'])) as { gitVersion: string };
    expect(await connect().version()).toBe(gitVersion);
  });

  it('is ready', async () => {
    expect(await connect().readyz()).toBe(true);
  });

  it('gives an object as it is served, and undefined for one that is not there', async () => {
    const api = connect();
    const served = JSON.parse(
      await server.kubectl(['get', 'secret', 'pull-secret', '-n', 'clusters', '-o', 'json', '--show-managed-fields']),
    ) as object;
    expect(await api.get(SECRET)).toEqual(served);
    expect(await api.get({ ...SECRET, name: 'missing' })).toBeUndefined();
    expect(await api.get({ ...SECRET, namespace: 'missing' })).toBeUndefined();
    expect(await api.get({ apiVersion: 'v1', kind: 'Namespace', name: 'clusters' })).toHaveProperty(
      'metadata.name',
      'clusters',
    );
  });

  it('keeps fields that no client of ours knows', async () => {
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    await server.kubectl(
      ['create', '-f', '-'],
      JSON.stringify({
        apiVersion: CRD,
        kind: 'CustomResourceDefinition',
        metadata: { name: 'boats.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Namespaced',
          names: { plural: 'boats', kind: 'Boat' },
          versions: [{ name: 'v1beta1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
        },
      }),
    );
    const api = connect();
    const object = {
      apiVersion: 'example.com/v1beta1',
      kind: 'Boat',
      metadata: { name: 'b', namespace: 'clusters' },
      spec: { oars: 2 },
    };
    expect(await api.servesKind('example.com/v1beta1', 'Ship')).toBe(false);
    await server.kubectl(['wait', '--for=condition=Established', 'crd/boats.example.com', '--timeout=60s']);
    await server.kubectl(['create', '-f', '-'], JSON.stringify(object));
    expect(await api.preferredVersion('example.com')).toBe('example.com/v1beta1');
    expect(await api.resourceFor('example.com/v1beta1', 'Boat')).toEqual({ plural: 'boats', namespaced: true });
    expect(await api.list('example.com/v1beta1', 'Boat')).toEqual([
      expect.objectContaining({ kind: 'Boat', spec: { oars: 2 } }),
    ]);
  });

  it('knows what is not served', async () => {
    const api = connect();
    expect(await api.preferredVersion('missing.example.com')).toBeUndefined();
    expect(await api.servesKind('missing.example.com/v1', 'HostedCluster')).toBe(false);
    expect(await api.servesKind('v1', 'Secret')).toBe(true);
    const failure = await failureOf(api.list('missing.example.com/v1', 'HostedCluster'));
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure.message).toMatch(/does not serve HostedCluster of missing\.example\.com\/v1/);
  });

  it('lists over many pages what kubectl lists, each with its kind, by namespace and label', async () => {
    const items = Array.from({ length: 25 }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `page-${index}`, namespace: 'clusters', labels: { parity: index % 2 === 0 ? 'even' : 'odd' } },
    }));
    await server.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const api = connect(undefined, { pageSize: 4 });
    const objects = await api.list('v1', 'ConfigMap', { namespace: 'clusters', labelSelector: 'parity' });
    expect(objects.map(({ metadata }) => metadata.name).sort()).toEqual(
      items.map(({ metadata }) => metadata.name).sort(),
    );
    expect(new Set(objects.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`))).toEqual(new Set(['v1 ConfigMap']));
    expect(await api.list('v1', 'ConfigMap', { labelSelector: 'parity=odd' })).toHaveLength(12);
  });
});

describe('what the API server refuses', () => {
  const stranger = { commonName: 'stranger' };
  const cases: [name: string, call: (api: KubeApi) => Promise<unknown>, message: RegExp, remedy: RegExp][] = [
    [
      'get of a named object',
      (api) => api.get(SECRET),
      /may not get secrets "pull-secret" in namespace "clusters" on https:/,
      /Role in namespace "clusters": \{apiGroups: \[""\], resources: \["secrets"\], resourceNames: \["pull-secret"\], verbs: \["get"\]\}/,
    ],
    [
      'list in a namespace',
      (api) => api.list('v1', 'Pod', { namespace: 'clusters' }),
      /may not list pods in namespace "clusters"/,
      /resources: \["pods"\], verbs: \["list"\]/,
    ],
    [
      'list everywhere',
      (api) => api.list(CRD, 'CustomResourceDefinition'),
      /may not list customresourcedefinitions on/,
      /its ClusterRole: \{apiGroups: \["apiextensions\.k8s\.io"\], resources: \["customresourcedefinitions"\], verbs: \["list"\]\}/,
    ],
  ];
  it.each(cases)('names verb, resource, namespace and the missing rule: %s', async (_, call, message, remedy) => {
    const failure = await failureOf(call(connect(server.kubeconfig(stranger))));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toMatch(message);
    expect(failure.remedy).toMatch(remedy);
  });

  it('is allowed once exactly that rule is there', async () => {
    const user = { commonName: 'reader' };
    const api = connect(server.kubeconfig(user));
    expect((await failureOf(api.get(SECRET))).remedy).toContain('resourceNames: ["pull-secret"], verbs: ["get"]');
    await server.kubectl([
      'create',
      'role',
      'reader',
      '-n',
      'clusters',
      '--verb=get',
      '--resource=secrets',
      '--resource-name=pull-secret',
    ]);
    await server.kubectl(['create', 'rolebinding', 'reader', '-n', 'clusters', '--role=reader', '--user=reader']);
    expect(await api.get(SECRET)).toHaveProperty('metadata.name', 'pull-secret');
  });

  it('are credentials that it does not know: a token', async () => {
    const access = parseKubeconfig(server.kubeconfig(ADMINISTRATOR), SOURCE);
    const api = clients.connectWith({
      ...access,
      credentials: { kind: 'token', token: new Secret('planted-token-0123456789') },
    });
    const failure = await failureOf(api.get(SECRET));
    expect(failure).toBeInstanceOf(PermissionError);
    expect(failure.message).toMatch(/did not accept the credentials in mgmt-a\.kubeconfig/);
    expect(failure.remedy).toMatch(/token has expired or was revoked/);
    expect(JSON.stringify(failure) + failure.message).not.toContain('planted');
  });

  it('are credentials that it does not know: a certificate of another authority', async () => {
    const kubeconfig = server.kubeconfig(ADMINISTRATOR, server.port, createAuthority('other'));
    const failure = await failureOf(connect(kubeconfig).get(SECRET));
    expect(failure).toBeInstanceOf(PermissionError);
  });

  it('is not even asked with a certificate that has expired', async () => {
    const user = { ...ADMINISTRATOR, notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') };
    const failure = await failureOf(connect(server.kubeconfig(user)).version());
    expect(failure).toBeInstanceOf(KubeconfigError);
    expect(failure.message).toMatch(/client certificate in mgmt-a\.kubeconfig expired on 2021-01-01/);
  });
});

describe('an API server that can not be reached', () => {
  it('is named, when the connection is refused', async () => {
    const [port] = await freePorts(1);
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, port), { attempts: 2 }).version());
    expect(failure).toBeInstanceOf(ClusterUnreachableError);
    expect(failure.message).toBe(
      `the API server https://127.0.0.1:${port} could not be reached: the connection was refused`,
    );
  });

  it('is not called "not ready"', async () => {
    const [port] = await freePorts(1);
    const asking = connect(server.kubeconfig(ADMINISTRATOR, port), { attempts: 1 }).readyz();
    await expect(asking).rejects.toBeInstanceOf(ClusterUnreachableError);
  });

  it('is a wrong CA, said as such', async () => {
    const access = {
      ...parseKubeconfig(server.kubeconfig(ADMINISTRATOR), SOURCE),
      ca: createAuthority('other').certificate,
    };
    const api = clients.connectWith(access);
    const failure = await failureOf(api.version());
    expect(failure).toBeInstanceOf(KubeconfigError);
    expect(failure.message).toMatch(/the CA in mgmt-a\.kubeconfig does not match the API server/);
  });

  it('has a server certificate that has expired, said as such', async () => {
    const authority = server.authority;
    const expired = issueCertificate(authority, {
      commonName: 'server',
      ipAddresses: ['127.0.0.1'],
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    });
    const front = createHttpsServer({ cert: expired.certificate, key: expired.key }).listen(0, '127.0.0.1');
    await once(front, 'listening');
    const { port } = front.address() as AddressInfo;
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, port), { attempts: 1 }).version());
    front.close();
    expect(failure).toBeInstanceOf(ClusterUnreachableError);
    expect(failure.message).toMatch(/its server certificate has expired/);
  });
});

describe('an API server behind something that interferes', () => {
  const startFront = (answer: NonNullable<Interference['answer']>): Promise<ApiFront> =>
    clients.startFront(server, { answer });

  it.each([
    ['429 with Retry-After', (response: ServerResponse) => response.writeHead(429, { 'retry-after': '0' }).end('{}')],
    ['503', (response: ServerResponse) => response.writeHead(503).end('planted')],
    ['a reset connection', (response: ServerResponse) => response.socket?.destroy()],
    [
      'half an answer',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"gitVersion"', () => response.socket?.destroy());
      },
    ],
  ])('is asked again after %s', async (_, interfere) => {
    let left = 2;
    const front = await startFront((__, response) => {
      left -= 1;
      if (left >= 0) interfere(response);
      return left >= 0;
    });
    expect(await connect(server.kubeconfig(ADMINISTRATOR, front.port)).version()).toMatch(/^v\d/);
    expect(front.paths).toHaveLength(3);
  });

  it('is given up after the last attempt, without repeating what it said', async () => {
    const front = await startFront((_, response) =>
      Boolean(response.writeHead(429, { 'x-planted': 'planted' }).end('planted')),
    );
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, front.port), { attempts: 3 }).version());
    expect(failure).toBeInstanceOf(ClusterUnreachableError);
    expect(failure.message).toMatch(/the API server is throttling \(429\)/);
    expect(JSON.stringify(failure) + failure.message).not.toContain('planted');
    expect(front.paths).toHaveLength(3);
  });

  it('is not waited for longer than the time limit of an attempt', async () => {
    const front = await startFront(() => true);
    const failure = await failureOf(
      connect(server.kubeconfig(ADMINISTRATOR, front.port), { attempts: 2, timeoutMilliseconds: 2_000 }).version(),
    );
    expect(failure.message).toMatch(/it did not answer in time/);
    expect(front.paths).toHaveLength(2);
  });

  it('is not asked again once the signal has aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('no time left');
    const front = await startFront((_, response) => {
      response.writeHead(503, { 'retry-after': '3600' }).end();
      setImmediate(() => {
        controller.abort(reason);
      });
      return true;
    });
    const asking = connect(server.kubeconfig(ADMINISTRATOR, front.port)).version({ signal: controller.signal });
    await expect(asking).rejects.toBe(reason);
    expect(front.paths).toHaveLength(1);
  });

  it('is not believed about what does not exist', async () => {
    const front = await startFront((request, response) => {
      const isObject = request.url?.includes('/secrets/') === true;
      if (isObject) response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>planted</h1>');
      return isObject;
    });
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, front.port)).get(SECRET));
    expect(failure).toBeInstanceOf(KubeconfigError);
    expect(failure.message).toMatch(/is not an API server, or something stands in front of it: it answered 404/);
  });

  it('is not believed when it answers with a page', async () => {
    const front = await startFront((_, response) => Boolean(response.writeHead(200).end('<html>log in</html>')));
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, front.port)).version());
    expect(failure.message).toMatch(/its answer is not an object of Kubernetes/);
  });

  it.each([
    ['500 of a failed check', 500, '[-]etcd failed: planted'],
    ['503 of a load balancer', 503, '<html>planted</html>'],
  ])('is not ready with %s, without being asked again', async (_, status, body) => {
    const front = await startFront((__, response) => Boolean(response.writeHead(status).end(body)));
    expect(await connect(server.kubeconfig(ADMINISTRATOR, front.port)).readyz()).toBe(false);
    expect(front.paths).toEqual(['/readyz']);
  });

  it('is not taken for ready when something else answers', async () => {
    const front = await startFront((_, response) => Boolean(response.writeHead(200).end('<html>log in</html>')));
    const failure = await failureOf(connect(server.kubeconfig(ADMINISTRATOR, front.port)).readyz());
    expect(failure.message).toMatch(/its answer to \/readyz is another one than "ok"/);
  });

  it('lists from the first page again when the list expires midway', async () => {
    let expired = false;
    const front = await startFront((request, response) => {
      if (expired || request.url?.includes('continue=') !== true) return false;
      expired = true;
      response.writeHead(410, { 'content-type': 'application/json' }).end('{"kind":"Status","code":410}');
      return true;
    });
    const api = connect(server.kubeconfig(ADMINISTRATOR, front.port), { pageSize: 2 });
    const names = (await api.list('v1', 'Namespace')).map(({ metadata }) => metadata.name);
    expect(expired).toBe(true);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expect.arrayContaining(['clusters', 'default', 'kube-system']));
  });

  it('is talked to over few connections', async () => {
    const front = await startFront(() => false);
    const api = connect(server.kubeconfig(ADMINISTRATOR, front.port));
    for (let count = 0; count < 10; count += 1) await api.get(SECRET);
    expect(front.connections()).toBe(1);
  });
});
