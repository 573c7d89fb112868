import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { RawData, WebSocket } from 'ws';
import { ClusterUnreachableError, PermissionError, TunnelError } from '../../../lambdas/domain/errors.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { openPodAttach, type AttachOptions, type PodAttach } from '../../../lambdas/kube/pod-attach.ts';
import { channelMessage, ChannelServer } from '../../testbed/channel-server.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { failureOf } from '../failure-of.ts';

const TARGET = { namespace: 'clusters-prod', pod: 'lifeboat-restore-1-prepare-etcd-0', container: 'fetch' };
const [STDIN, STDOUT, STDERR, STATUS] = [0, 1, 2, 3];
const SUCCESS = JSON.stringify({ metadata: {}, status: 'Success' });
const MEBIBYTE = 1024 * 1024;

const servers: ChannelServer[] = [];
const attachments: PodAttach[] = [];
afterEach(async () => {
  for (const attachment of attachments.splice(0)) attachment.destroy();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

/** A runtime with a container; as a real one does, it says by an empty message that it is there. */
async function serve(
  container: (socket: WebSocket) => void,
  refuse?: () => number | undefined,
): Promise<ChannelServer> {
  const server = await ChannelServer.start((socket) => {
    socket.send(channelMessage(STDOUT));
    container(socket);
  }, refuse);
  servers.push(server);
  return server;
}

async function open(server: ChannelServer, options: AttachOptions = {}): Promise<PodAttach> {
  const attachment = await openPodAttach(parseKubeconfig(server.kubeconfig, 'mgmt-a'), TARGET, options);
  attachments.push(attachment);
  return attachment;
}

/** Hears each piece of what the container reads from its standard input. */
function onInput(socket: WebSocket, hear: (piece: Buffer) => void): void {
  socket.on('message', (data: RawData) => {
    const message = data as Buffer;
    expect(message[0]).toBe(STDIN);
    hear(message.subarray(1));
  });
}

function end(socket: WebSocket, status = SUCCESS): void {
  socket.send(channelMessage(STATUS, status));
  socket.close(1000);
}

/** A container that reads so many bytes and ends, as `head -c` does. */
function head(sizeBytes: number, hear: (piece: Buffer, socket: WebSocket) => void = () => undefined) {
  return (socket: WebSocket): void => {
    let left = sizeBytes;
    onInput(socket, (piece) => {
      left -= piece.length;
      hear(piece, socket);
      if (left === 0) end(socket);
    });
  };
}

/** So many bytes in pieces, and how many of them have been asked for. */
function produce(totalBytes: number, pieceBytes = 256 * 1024) {
  const piece = randomBytes(pieceBytes);
  const produced = { bytes: 0 };
  const source = Readable.from(
    (function* () {
      while (produced.bytes < totalBytes) {
        const next = piece.subarray(0, Math.min(pieceBytes, totalBytes - produced.bytes));
        produced.bytes += next.length;
        yield next;
      }
    })(),
    { objectMode: false, highWaterMark: pieceBytes },
  );
  return { source, produced };
}

describe("a container's standard input", () => {
  it('is asked for with exactly one subprotocol and no compression', async () => {
    const server = await serve(head(1));
    await open(server);
    const { url, headers } = server.requests[0] ?? {};
    expect(url).toBe(
      '/api/v1/namespaces/clusters-prod/pods/lifeboat-restore-1-prepare-etcd-0/attach' +
        '?container=fetch&stdin=true&stdout=true&stderr=true',
    );
    expect(headers?.['sec-websocket-protocol']).toBe('v4.channel.k8s.io');
    expect(headers?.['sec-websocket-extensions']).toBeUndefined();
  });

  it('takes bytes unchanged, in messages of at most 64 KiB', async () => {
    const sent = randomBytes(1_000_000);
    const received: Buffer[] = [];
    const server = await serve(head(sent.length, (piece) => received.push(piece)));
    const attachment = await open(server);
    await pipeline(Readable.from([sent.subarray(0, 10), sent.subarray(10)]), attachment);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(Math.max(...received.map(({ length }) => length))).toBe(64 * 1024);
  });

  it('is ended when the container has ended, and not when all is written', async () => {
    let socket: WebSocket | undefined;
    let received = 0;
    const server = await serve((opened) => {
      socket = opened;
      onInput(opened, (piece) => (received += piece.length));
    });
    const attachment = await open(server);
    let finished = false;
    attachment.on('finish', () => (finished = true)).end('all of it');
    await waitFor('all to be read', () => received === 'all of it'.length, { timeoutSeconds: 20 });
    expect(finished).toBe(false);
    expect(server.openSockets).toBe(1);
    if (socket !== undefined) end(socket);
    await attachment.finished;
    await waitFor('the end of the stream', () => attachment.closed, { timeoutSeconds: 20 });
    expect(finished).toBe(true);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it('stops its writer while the container does not read, and keeps little meanwhile', async () => {
    const totalBytes = 128 * MEBIBYTE;
    let received = 0;
    const sockets: WebSocket[] = [];
    // It stands still after every 32 MiB, until it is let on.
    const server = await serve(
      head(totalBytes, (piece, socket) => {
        received += piece.length;
        if (received % (32 * MEBIBYTE) >= piece.length) return;
        socket.pause();
        sockets.push(socket);
      }),
    );
    const attachment = await open(server);
    const { source, produced } = produce(totalBytes);
    const transferred = pipeline(source, attachment);
    for (let stop = 0; stop < totalBytes / (32 * MEBIBYTE) - 1; stop += 1) {
      const socket = await waitFor('the container to stand still', () => sockets.shift(), { timeoutSeconds: 20 });
      let last = -1;
      await waitFor('the writer to stand still', () => last === (last = produced.bytes), {
        timeoutSeconds: 10,
        intervalMilliseconds: 100,
      });
      // All that is under way: most of it lies in the two kernels' socket buffers.
      expect(produced.bytes - received).toBeLessThan(16 * MEBIBYTE);
      socket.resume();
    }
    sockets.shift()?.resume();
    await transferred;
    expect(received).toBe(totalBytes);
  });

  it('keeps the end of what the container says', async () => {
    const server = await serve((socket) => {
      for (let line = 0; line < 1000; line += 1) socket.send(channelMessage(STDOUT, `taken ${line} of a thousand\n`));
      socket.send(channelMessage(STDERR, 'sha256 differs\n'));
      end(socket);
    });
    const attachment = await open(server);
    await attachment.finished;
    expect(attachment.stdout).toHaveLength(8 * 1024);
    expect(attachment.stdout).toMatch(/taken 999 of a thousand\n$/);
    expect(attachment.stderr).toBe('sha256 differs\n');
  });

  it('takes a status that comes in pieces', async () => {
    const server = await serve((socket) => {
      socket.send(channelMessage(STATUS));
      socket.send(channelMessage(STATUS, SUCCESS.slice(0, 7)));
      end(socket, SUCCESS.slice(7));
    });
    await (
      await open(server)
    ).finished;
  });

  it('pings, so that no load balancer takes it for idle', async () => {
    let pings = 0;
    const server = await serve((socket) => {
      socket.on('ping', () => (pings += 1));
    });
    await open(server, { pingMilliseconds: 100 });
    await waitFor('three pings', () => pings >= 3, { timeoutSeconds: 10 });
  });

  it('does not take a slow container, whose pongs come late, for a dead one', async () => {
    const totalBytes = 24 * MEBIBYTE;
    let messages = 0;
    const server = await serve(
      head(totalBytes, (_, socket) => {
        messages += 1;
        if (messages % 4 !== 0) return;
        socket.pause();
        setTimeout(() => {
          socket.resume();
        }, 100);
      }),
    );
    // The socket buffers hold what it reads in more than two seconds, and as long does a ping wait in them.
    const attachment = await open(server, { pingMilliseconds: 1_800 });
    await pipeline(produce(totalBytes).source, attachment);
  });
});

describe("a container's standard input that breaks", () => {
  it('fails when the container stands still for good', async () => {
    const server = await serve((socket) => {
      socket.pause();
    });
    const attachment = await open(server, { pingMilliseconds: 50 });
    const error = await failureOf(pipeline(produce(64 * MEBIBYTE).source, attachment));
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toBe(
      'attaching to container "fetch" of pod "clusters-prod/lifeboat-restore-1-prepare-etcd-0" failed: ' +
        'nothing was heard from the other side any more',
    );
    expect(await failureOf(attachment.finished)).toBe(error);
  });

  const ways: [name: string, end: (socket: WebSocket) => void][] = [
    [
      'closed',
      (socket) => {
        socket.close(1000);
      },
    ],
    [
      'cut',
      (socket) => {
        socket.terminate();
      },
    ],
  ];
  it.each(ways)('fails when the connection is %s without a status, also after all was written', async (_, cut) => {
    let received = 0;
    const server = await serve((socket) => {
      onInput(socket, (piece) => {
        received += piece.length;
        if (received === MEBIBYTE) cut(socket);
      });
    });
    const attachment = await open(server);
    expect(await failureOf(pipeline(produce(MEBIBYTE).source, attachment))).toBeInstanceOf(TunnelError);
    expect(await failureOf(attachment.finished)).toBeInstanceOf(TunnelError);
  });

  it('fails when the container ends before it has taken all', async () => {
    const server = await serve(head(MEBIBYTE));
    const attachment = await open(server);
    const error = await failureOf(pipeline(produce(64 * MEBIBYTE).source, attachment));
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toMatch(/the container ended before it had taken all$/);
    await attachment.finished;
  });

  it.each([
    ['error attaching to container: container is in CONTAINER_EXITED state', /: the container is not running$/],
    ['error attaching to container: /var/lib/planted: something new', /container runtime could not attach to it$/],
  ])('fails on the status "%s", in our words', async (message, expected) => {
    const server = await serve((socket) => {
      end(socket, JSON.stringify({ status: 'Failure', message, reason: 'InternalError', code: 500 }));
    });
    const attachment = await open(server);
    const error = await failureOf(attachment.finished);
    expect(error).toBeInstanceOf(TunnelError);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toMatch(/planted|CONTAINER/);
  });

  it('fails when its deadline passes', async () => {
    const attachment = await open(await serve(head(1)), { deadlineMilliseconds: 1000 });
    expect((await failureOf(attachment.finished)).message).toMatch(/its deadline has passed/);
  });

  it('fails with the reason of the signal, and ends the connection', async () => {
    const server = await serve(head(MEBIBYTE));
    const controller = new AbortController();
    const reason = new Error('no time left');
    const attachment = await open(server, { signal: controller.signal });
    const [failing] = [once(attachment, 'error'), attachment.write('some')];
    controller.abort(reason);
    expect(await failing).toEqual([reason]);
    expect(await failureOf(attachment.finished)).toBe(reason);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
  });

  it('ends the connection when it is destroyed, and says to who waits that it was given up', async () => {
    const server = await serve(head(1));
    const attachment = await open(server);
    attachment.destroy();
    expect((await failureOf(attachment.finished)).message).toMatch(/it was given up before the container had ended/);
    await waitFor('the end of the connection', () => server.openSockets === 0, { timeoutSeconds: 20 });
    expect(attachment.errored).toBeNull();
  });

  it.each([
    ['text', 'hello'],
    ['another channel', channelMessage(4, 'hello')],
    ['a status without end', channelMessage(STATUS, ' '.repeat(65 * 1024))],
  ])('fails on what is not of the protocol: %s', async (_, sent) => {
    const server = await serve((socket) => {
      socket.send(sent);
    });
    const opening = open(server).then((attachment) => attachment.finished);
    expect((await failureOf(opening)).message).toMatch(/the answer is not that of an attached container/);
  });
});

describe("a container's standard input that is not to be had", () => {
  it.each([
    [
      403,
      PermissionError,
      /may not get and create pods\/attach "lifeboat-restore-1-prepare-etcd-0" in namespace "clusters-prod"/,
      /resources: \["pods\/attach"\].*verbs: \["get", "create"\]/,
    ],
    [401, PermissionError, /did not accept the credentials in mgmt-a/, /client certificate/],
    [404, TunnelError, /the pod or its container does not exist/, /running and ready/],
    [400, TunnelError, /not on a node yet, or has no such container \(400\)/, /running and ready/],
    [
      500,
      TunnelError,
      /the container is not running, or .* could not reach the pod's node \(500\)/,
      /running and ready/,
    ],
    [429, ClusterUnreachableError, /throttling \(429\)/, /health of the management cluster/],
  ])('because of %i, says what that means and what to do', async (status, type, expected, remedy) => {
    const server = await serve(head(1), () => status);
    const error = await failureOf(open(server));
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(expected);
    expect(error.remedy).toMatch(remedy);
    expect(JSON.stringify(error) + error.message).not.toContain('planted');
  });

  it('is given up when the handshake is not answered in time', async () => {
    const server = await serve(head(1), () => 0);
    await expect(open(server, { connectTimeoutMilliseconds: 100 })).rejects.toThrow(/it was not open in time/);
  });
});
