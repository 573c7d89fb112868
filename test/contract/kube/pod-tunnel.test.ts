import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { RawData, WebSocket } from 'ws';
import {
  ClusterUnreachableError,
  KubeconfigError,
  PermissionError,
  TunnelError,
  type LifeboatError,
} from '../../../lambdas/domain/errors.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { channelMessage as message } from '../../testbed/channel-server.ts';
import { createAuthority } from '../../testbed/certificates.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { announce, echo, endTunnels, open, preamble, serve } from './tunnels.ts';

const [DATA, ERROR] = [0, 1];

afterEach(endTunnels);

async function failureOf(tunnel: Duplex): Promise<LifeboatError> {
  const [error] = (await once(tunnel, 'error')) as [LifeboatError];
  return error;
}

describe('a tunnel', () => {
  it('asks for the port of the pod with exactly one subprotocol and no compression', async () => {
    const server = await serve(echo);
    await open(server);
    const { url, headers } = server.requests[0] ?? {};
    expect(url).toBe('/api/v1/namespaces/clusters-prod/pods/etcd-0/portforward?ports=2379');
    expect(headers?.['sec-websocket-protocol']).toBe('v4.channel.k8s.io');
    expect(headers?.['sec-websocket-extensions']).toBeUndefined();
  });

  it.each([
    ['on its own', [preamble, Buffer.from('hello')]],
    ['split', [preamble.subarray(0, 1), preamble.subarray(1), Buffer.from('hello')]],
    ['joined with data', [Buffer.concat([preamble, Buffer.from('hel')]), Buffer.from('lo')]],
    ['split and joined', [preamble.subarray(0, 1), Buffer.concat([preamble.subarray(1), Buffer.from('hello')])]],
    ['after an empty message', [Buffer.alloc(0), preamble, Buffer.from('hello')]],
  ])('takes the preamble off when it comes %s', async (_, payloads) => {
    const server = await serve((socket) => {
      socket.send(message(ERROR, preamble));
      for (const payload of payloads) socket.send(message(DATA, payload));
    });
    const tunnel = await open(server);
    let text = '';
    tunnel.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await waitFor('the data', () => text.length >= 5, { timeoutSeconds: 20 });
    expect(text).toBe('hello');
  });

  it('carries bytes both ways unchanged, in messages of at most 64 KiB', async () => {
    let largest = 0;
    const server = await serve((socket) => {
      echo(socket);
      socket.on('message', (data: RawData) => (largest = Math.max(largest, (data as Buffer).length)));
    });
    const tunnel = await open(server);
    const sent = randomBytes(1_000_000);
    const received: Buffer[] = [];
    tunnel.on('data', (chunk: Buffer) => received.push(chunk));
    tunnel.write(sent.subarray(0, 10));
    tunnel.write(sent.subarray(10));
    await waitFor('the echo', () => received.reduce((sum, { length }) => sum + length, 0) >= sent.length, {
      timeoutSeconds: 10,
    });
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(largest).toBe(1 + 64 * 1024);
  });

  it('stops the sender while its reader is slow, and keeps little meanwhile', async () => {
    const total = 512;
    const chunkBytes = 128 * 1024;
    const chunk = message(DATA, randomBytes(chunkBytes));
    let handedOver = 0;
    const server = await serve((socket) => {
      announce(socket);
      const sendNext = (): void => {
        if (handedOver === total) return;
        handedOver += 1;
        socket.send(chunk, sendNext);
      };
      sendNext();
    });
    const tunnel = await open(server);
    await once(tunnel, 'readable');
    let before = -1;
    await waitFor('the sender to stand still', () => before === (before = handedOver), {
      timeoutSeconds: 10,
      intervalMilliseconds: 200,
    });
    // What was handed over lies in the two kernels' socket buffers and in ours.
    expect(handedOver).toBeLessThan(total / 2);
    expect(tunnel.readableLength).toBeLessThan(8 * 1024 * 1024);
    let receivedBytes = 0;
    for await (const data of tunnel as AsyncIterable<Buffer>) {
      receivedBytes += data.length;
      if (receivedBytes === total * chunkBytes) break;
    }
    expect(handedOver).toBe(total);
  });

  it('holds its writer back while the other side does not read', async () => {
    const server = await serve((socket) => {
      announce(socket);
      socket.pause();
    });
    const tunnel = await open(server);
    const chunk = randomBytes(64 * 1024);
    let written = 0;
    const limit = 2000;
    const pump = (): void => {
      while (written < limit && tunnel.write(chunk)) written += 1;
      tunnel.once('drain', pump);
    };
    pump();
    let before = -1;
    await waitFor('the writer to stand still', () => before === (before = written), {
      timeoutSeconds: 10,
      intervalMilliseconds: 200,
    });
    expect(written).toBeLessThan(limit / 2);
  });

  it('closes the connection when it is destroyed, without an error', async () => {
    const server = await serve(echo);
    const tunnel = await open(server);
    expect(server.openSockets).toBe(1);
    tunnel.destroy();
    await once(tunnel, 'close');
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
    expect(tunnel.errored).toBeNull();
  });

  it('closes the connection even when the other side does not take part', async () => {
    const server = await serve((socket) => {
      announce(socket);
      socket.pause();
    });
    const tunnel = await open(server);
    tunnel.destroy();
    await once(tunnel, 'close');
    expect(tunnel.closed).toBe(true);
  });

  it('closes the connection when it is ended', async () => {
    const server = await serve(echo);
    const tunnel = await open(server);
    tunnel.resume();
    tunnel.end();
    await once(tunnel, 'close');
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it('pings, so that no load balancer takes it for idle', async () => {
    let pings = 0;
    const server = await serve((socket) => {
      echo(socket);
      socket.on('ping', () => (pings += 1));
    });
    await open(server, { pingMilliseconds: 100 });
    await waitFor('three pings', () => pings >= 3, { timeoutSeconds: 10 });
  });
});

describe('a tunnel that breaks', () => {
  it('fails when nothing is heard any more, pongs included', async () => {
    const server = await serve((socket) => {
      announce(socket);
      socket.pause();
    });
    const error = await failureOf(await open(server, { pingMilliseconds: 50 }));
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toBe(
      'the tunnel to port 2379 of pod "clusters-prod/etcd-0" failed: nothing was heard from the other side any more',
    );
  });

  it('does not take its own slow reader for a dead other side', async () => {
    const chunk = message(DATA, randomBytes(1024 * 1024));
    const server = await serve((socket) => {
      announce(socket);
      for (let count = 0; count < 64; count += 1) socket.send(chunk);
    });
    const tunnel = await open(server, { pingMilliseconds: 250 });
    await once(tunnel, 'readable');
    let turns = 0;
    await waitFor('some pings', () => (turns += 1) > 4, { timeoutSeconds: 20, intervalMilliseconds: 250 });
    expect(tunnel.destroyed).toBe(false);
  });

  it.each([
    ['connect: connection refused', /nothing listens on the port inside the pod/],
    ['sandbox container 12ab is not running', /the pod is not running/],
    ['network namespace for sandbox "12ab" is closed', /the pod is not running/],
    ['pod not found ("etcd-0_clusters-prod")', /the pod is gone/],
    ['read: connection reset by peer', /the connection inside the pod was cut/],
    ['/var/run/netns/cni-planted: something new', /container runtime could not forward the port/],
  ])('fails for good on "%s" in the error channel, in our words', async (text, expected) => {
    const server = await serve((socket) => {
      announce(socket);
      socket.send(message(ERROR, text));
    });
    const error = await failureOf(await open(server));
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toMatch(/planted|12ab/);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it.each([
    [
      'closed',
      (socket: WebSocket) => {
        socket.close(1000);
      },
    ],
    [
      'cut',
      (socket: WebSocket) => {
        socket.terminate();
      },
    ],
  ])('fails when the connection is %s from the other side, never with a quiet end', async (_, end) => {
    const server = await serve((socket) => {
      announce(socket);
      socket.on('message', () => {
        end(socket);
      });
    });
    const tunnel = await open(server);
    let ended = false;
    tunnel.on('end', () => (ended = true)).resume();
    tunnel.write('now');
    expect(await failureOf(tunnel)).toBeInstanceOf(TunnelError);
    expect(ended).toBe(false);
  });

  it('fails when its deadline passes', async () => {
    const server = await serve(echo);
    const error = await failureOf(await open(server, { deadlineMilliseconds: 1000 }));
    expect(error.message).toMatch(/its deadline has passed/);
  });

  it('fails with the reason of the signal', async () => {
    const server = await serve(echo);
    const controller = new AbortController();
    const reason = new Error('no time left');
    const tunnel = await open(server, { signal: controller.signal });
    const failing = failureOf(tunnel);
    controller.abort(reason);
    expect(await failing).toBe(reason);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it.each([
    ['another port', [message(DATA, Buffer.from([0x4c, 0x09]))]],
    ['another channel', [message(2, preamble)]],
    ['text', ['hello']],
  ])('fails on what is not of the protocol: %s', async (_, sent) => {
    const server = await serve((socket) => {
      for (const data of sent) socket.send(data);
    });
    await expect(open(server)).rejects.toThrow(/the answer is not that of a forwarded port/);
  });
});

describe('a tunnel that does not come about', () => {
  it.each([
    [
      403,
      PermissionError,
      /may not get and create pods\/portforward "etcd-0" in namespace "clusters-prod"/,
      /resources: \["pods\/portforward"\].*verbs: \["get", "create"\]/,
    ],
    [401, PermissionError, /did not accept the credentials in mgmt-a/, /client certificate/],
    [404, TunnelError, /the pod does not exist/, /running and ready/],
    [400, TunnelError, /not on a node yet/, /running and ready/],
    [502, TunnelError, /could not reach the pod's node \(502\)/, /running and ready/],
    [429, ClusterUnreachableError, /throttling \(429\)/, /health of the management cluster/],
  ])('because of %i, says what that means and what to do', async (status, type, expected, remedy) => {
    const server = await serve(echo, () => status);
    const opening = open(server);
    const error = await opening.then(
      () => undefined,
      (reason: unknown) => reason as LifeboatError,
    );
    expect(error).toBeInstanceOf(type);
    expect(error?.message).toMatch(expected);
    expect(error?.remedy).toMatch(remedy);
    expect(JSON.stringify(error) + String(error?.message)).not.toContain('planted');
  });

  it('is given up when the handshake is not answered in time', async () => {
    const server = await serve(echo, () => 0);
    await expect(open(server, { connectTimeoutMilliseconds: 100 })).rejects.toThrow(/it was not open in time/);
  });

  it('is given up when the port is not announced in time', async () => {
    const server = await serve((socket) => {
      socket.send(message(DATA, preamble));
    });
    await expect(open(server, { connectTimeoutMilliseconds: 100 })).rejects.toThrow(/it was not open in time/);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it('names the API server that refuses the connection', async () => {
    const server = await serve(echo);
    const [port] = await freePorts(1);
    const access = { ...parseKubeconfig(server.kubeconfig, 'mgmt-a'), server: `https://127.0.0.1:${port}` };
    const opening = open(server, {}, access);
    await expect(opening).rejects.toBeInstanceOf(ClusterUnreachableError);
    await expect(opening).rejects.toThrow(
      `the API server https://127.0.0.1:${port} could not be reached: the connection was refused`,
    );
  });

  it('says that the CA does not match', async () => {
    const server = await serve(echo);
    const access = { ...parseKubeconfig(server.kubeconfig, 'mgmt-a'), ca: createAuthority('other').certificate };
    const opening = open(server, {}, access);
    await expect(opening).rejects.toBeInstanceOf(KubeconfigError);
    await expect(opening).rejects.toThrow(/the CA in mgmt-a does not match/);
  });

  it('is not tried with an expired certificate', async () => {
    const server = await serve(echo);
    await expect(open(server, { clock: () => new Date('2099-01-01') })).rejects.toThrow(
      /client certificate in mgmt-a expired on/,
    );
    expect(server.requests).toHaveLength(0);
  });
});
