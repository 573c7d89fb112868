import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ClusterUnreachableError,
  KubeconfigError,
  PermissionError,
  TunnelError,
} from '../../../lambdas/domain/errors.ts';
import type { KubeApi, KubeApiOptions } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { ApiServer } from '../../testbed/api-server.ts';
import { createAuthority } from '../../testbed/certificates.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { ADMINISTRATOR, ApiClients, SOURCE } from './api-clients.ts';
import { ToldSilences } from '../told-silences.ts';

jest.setTimeout(120_000);

const NAMESPACES = { apiVersion: 'v1', kind: 'Namespace' };

let server: ApiServer;
/** Of the kubeconfig; nobody listens there, as the API server can only be reached through streams. */
let nobody: number;
const clients = new ApiClients();
beforeAll(async () => {
  server = await ApiServer.start();
  [nobody = 0] = await freePorts(1);
});
afterAll(async () => {
  await server.stop();
});
afterEach(() => clients.end());

/** Streams to a port of loopback, and what became of them. */
function streamsTo(port: () => number, wrap: (socket: Socket) => Duplex = (socket) => socket) {
  const opened: Duplex[] = [];
  const sockets: Socket[] = [];
  return {
    opened,
    /** Of those that lead to the port. */
    open: () => sockets.filter(({ closed }) => !closed).length,
    openSocket: async (signal: AbortSignal): Promise<Duplex> => {
      const socket = connectTcp({ port: port(), host: '127.0.0.1', signal });
      sockets.push(socket);
      await once(socket, 'connect');
      const stream = wrap(socket);
      opened.push(stream);
      return stream;
    },
  };
}

/** A stream that is no net.Socket, as a tunnel is none. */
function disguise(socket: Socket): Duplex {
  const [near, far] = duplexPair({ allowHalfOpen: false });
  socket
    .on('error', () => undefined)
    .pipe(far)
    .pipe(socket);
  socket.once('close', () => near.destroy());
  near.once('close', () => socket.destroy());
  return near;
}

function connect(options: KubeApiOptions, kubeconfig = server.kubeconfig(ADMINISTRATOR, nobody)): KubeApi {
  return clients.connect(kubeconfig, options);
}

describe.each([
  ['sockets', (socket: Socket): Duplex => socket],
  ['streams that are no sockets', disguise],
])('an API server that is reached through %s', (_, wrap) => {
  it('is read and written over few of them', async () => {
    const streams = streamsTo(() => server.port, wrap);
    const api = connect({ openSocket: streams.openSocket, pageSize: 1 });
    expect(await api.readyz()).toBe(true);
    expect((await api.list('v1', 'Namespace')).map(({ metadata }) => metadata.name)).toContain('kube-system');
    const data = { large: 'x'.repeat(500_000) };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'large', namespace: 'default' }, data };
    const reference = { ...object.metadata, apiVersion: 'v1', kind: 'ConfigMap' };
    await api.create(object);
    expect(await api.get(reference)).toMatchObject({ data });
    expect(await api.delete(reference)).toBe(true);
    expect(streams.opened).toHaveLength(1);
  });

  it('serves many calls at once', async () => {
    const streams = streamsTo(() => server.port, wrap);
    const api = connect({ openSocket: streams.openSocket });
    const names = Array.from({ length: 30 }, () => api.get({ ...NAMESPACES, name: 'kube-system' }));
    for (const found of await Promise.all(names)) expect(found?.metadata.name).toBe('kube-system');
    expect(streams.opened.length).toBeLessThanOrEqual(8);
  });

  it('is left with no stream when the API is closed', async () => {
    const streams = streamsTo(() => server.port, wrap);
    const api = connect({ openSocket: streams.openSocket });
    await Promise.all([api.version(), api.readyz(), api.get({ ...NAMESPACES, name: 'default' })]);
    expect(streams.open()).toBeGreaterThan(0);
    api.close();
    await waitFor('the end of the streams', () => streams.open() === 0, { timeoutSeconds: 20 });
  });

  it('is asked again over a new stream when one was cut', async () => {
    const front = await clients.startFront(server);
    const streams = streamsTo(() => front.port, wrap);
    const api = connect({ openSocket: streams.openSocket });
    await api.version();
    for (const stream of streams.opened) stream.destroy();
    expect(await api.version()).toMatch(/^v\d/);
    expect(streams.opened.length).toBeGreaterThan(1);
  });

  it('is known by its CA, and by the name in its address', async () => {
    const kubeconfig = server
      .kubeconfig(ADMINISTRATOR)
      .replace(/https:\/\/127\.0\.0\.1:\d+/, 'https://kube-apiserver.clusters-prod.svc:6443');
    const named = await clients.startFront(server, { names: { dnsNames: ['kube-apiserver.clusters-prod.svc'] } });
    const other = await clients.startFront(server, { names: { dnsNames: ['kube-apiserver.clusters-other.svc'] } });
    const through = (port: number): KubeApi =>
      connect({ openSocket: streamsTo(() => port, wrap).openSocket, attempts: 1 }, kubeconfig);
    expect(await through(named.port).version()).toMatch(/^v\d/);
    await expect(through(other.port).version()).rejects.toThrow(/does not carry the name we asked for/);
    const access = parseKubeconfig(kubeconfig, SOURCE);
    const { openSocket } = streamsTo(() => other.port, wrap);
    const renamed = clients.connectWith({ ...access, serverName: 'kube-apiserver.clusters-other.svc' }, { openSocket });
    const distrusted = clients.connectWith({ ...access, ca: createAuthority('other').certificate }, { openSocket });
    expect(await renamed.version()).toMatch(/^v\d/);
    await expect(distrusted.version()).rejects.toBeInstanceOf(KubeconfigError);
  });

  it('lets in whom the client certificate names', async () => {
    const { openSocket } = streamsTo(() => server.port, wrap);
    const api = connect({ openSocket }, server.kubeconfig({ commonName: 'stranger' }, nobody));
    await expect(api.get({ ...NAMESPACES, name: 'default' })).rejects.toThrow(/may not get namespaces "default"/);
  });

  it('is told of while it does not answer, whatever may still come of it', async () => {
    const hung: (() => void)[] = [];
    const answer = (_: unknown, response: ServerResponse): boolean => {
      hung.push(() => response.end(JSON.stringify({ gitVersion: 'v1.0.0' })));
      return true;
    };
    const front = await clients.startFront(server, { answer });
    const silences = new ToldSilences();
    const { openSocket } = streamsTo(() => front.port, wrap);
    const asking = silences.during(() => connect({ openSocket, timeoutMilliseconds: 60_000 }).version());
    const from = /the API server https:\/\/127.0.0.1:\d+ \(get \/version\)/;
    await silences.ofWhat(from);
    for (const end of hung) end();
    expect(await asking).toBe('v1.0.0');
    await silences.overWith(from);
  });

  it('is not waited for longer than the time limit of an attempt', async () => {
    const front = await clients.startFront(server, { answer: () => true });
    const streams = streamsTo(() => front.port, wrap);
    const asking = connect({ openSocket: streams.openSocket, attempts: 2, timeoutMilliseconds: 2_000 }).version();
    await expect(asking).rejects.toThrow(/it did not answer in time/);
    await waitFor('the end of the streams', () => streams.open() === 0, { timeoutSeconds: 20 });
  });
});

describe('a stream to an API server that does not come about', () => {
  it('fails the call with its own error, after as many attempts as a connection gets', async () => {
    const errors = [new TunnelError('no way'), new TunnelError('still no way')];
    let asked = 0;
    const openSocket = (): Promise<Duplex> => {
      asked += 1;
      return Promise.reject(errors[asked - 1] ?? new TunnelError('never'));
    };
    await expect(connect({ openSocket, attempts: 2 }).version()).rejects.toBe(errors[1]);
    expect(asked).toBe(2);
  });

  it('fails the call at once when trying again is of no use', async () => {
    let asked = 0;
    const refused = new PermissionError('not allowed');
    const openSocket = (): Promise<Duplex> => {
      asked += 1;
      return Promise.reject(refused);
    };
    await expect(connect({ openSocket }).version()).rejects.toBe(refused);
    expect(asked).toBe(1);
  });

  it('fails the call with the error that it breaks with', async () => {
    const front = await clients.startFront(server, { answer: () => true });
    const streams = streamsTo(() => front.port, disguise);
    const asking = connect({ openSocket: streams.openSocket, attempts: 1 }).version();
    const failing = expect(asking).rejects.toThrow('the tunnel was cut');
    await waitFor('the request', () => front.paths.length === 1, { timeoutSeconds: 10 });
    streams.opened[0]?.destroy(new TunnelError('the tunnel was cut'));
    await failing;
  });

  it('is not waited for once the API is closed', async () => {
    let asked = false;
    let aborted = false;
    const openSocket = (signal: AbortSignal): Promise<Duplex> =>
      new Promise((_, reject) => {
        asked = true;
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(signal.reason as Error);
        });
      });
    const api = connect({ openSocket, attempts: 1 });
    const asking = api.version();
    const failing = expect(asking).rejects.toBeInstanceOf(ClusterUnreachableError);
    await waitFor('the stream to be asked for', () => asked, { timeoutSeconds: 20 });
    api.close();
    await failing;
    expect(aborted).toBe(true);
  });
});
