import { createServer, request as sendRequest, Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** What happens to a request instead of being forwarded as it is. */
export type HttpFault =
  /** Answered at once, with an S3 error document; nothing is forwarded. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The connection is cut; nothing is forwarded. */
  | { readonly kind: 'drop-before' }
  /** Forwarded and done; then the connection is cut instead of the answer. */
  | { readonly kind: 'drop-after' }
  /** Taken, and never answered. */
  | { readonly kind: 'hang' }
  /** Forwarded no faster than this. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** Forwarded with a bit of its body turned. */
  | { readonly kind: 'damage' }
  /** Answered, and the connection is cut after so many bytes of the answer's body. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Answered, and nothing more comes after so many bytes of the answer's body, though the connection stays. */
  | { readonly kind: 'stall'; readonly afterBytes: number };

/** A request as the proxy sees it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Bytes of its body that have arrived so far. */
  receivedBytes: number;
}

/** The first rule that fits a request decides; each is used up after `times` (any number when left out). */
export interface FaultRule {
  readonly when: (request: SeenRequest) => boolean;
  readonly times?: number;
  readonly fault: HttpFault;
}

/** Stands before an HTTP server and does to its requests what a bad network or a server in trouble would. */
export interface HttpFaultProxy {
  readonly endpoint: string;
  /** All requests since the start, in the order of their arrival. */
  readonly requests: readonly SeenRequest[];
  inject(rule: FaultRule): void;
  /** Forgets all rules. */
  heal(): void;
  stop(): Promise<void>;
}

/**
 * Starts a proxy before an `http://` endpoint on a free loopback port. The Host header is passed on unchanged: clients
 * sign it (SigV4), and S3 servers check the signature against the header and not against their address.
 */
export async function startHttpFaultProxy(upstream: string): Promise<HttpFaultProxy> {
  const { hostname, port } = new URL(upstream);
  const agent = new Agent({ keepAlive: true });
  const stopping = new AbortController();
  const requests: SeenRequest[] = [];
  let rules: { rule: FaultRule; left: number }[] = [];

  const takeFault = (seen: SeenRequest): HttpFault | undefined => {
    const found = rules.find(({ rule, left }) => left > 0 && rule.when(seen));
    if (found !== undefined) found.left -= 1;
    return found?.rule.fault;
  };

  const forward = async (incoming: IncomingMessage, seen: SeenRequest, fault?: HttpFault): Promise<IncomingMessage> => {
    const { method, url, headers } = incoming;
    const outgoing = sendRequest({ hostname, port, agent, method, path: url, headers });
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    const body = passOn(seen, fault, stopping.signal);
    const [, [answer]] = await Promise.all([pipeline(incoming, body, outgoing), answered]);
    return answer;
  };

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const seen = look(incoming);
    requests.push(seen);
    const fault = takeFault(seen);
    switch (fault?.kind) {
      case 'hang':
        return;
      case 'drop-before':
        outgoing.destroy();
        return;
      case 'answer':
        incoming.resume();
        outgoing.writeHead(fault.status, { 'content-type': 'application/xml' });
        outgoing.end(
          incoming.method === 'HEAD' ? '' : `<Error><Code>${fault.code}</Code><Message>injected</Message></Error>`,
        );
        return;
    }
    const answer = await forward(incoming, seen, fault);
    if (fault?.kind === 'drop-after') {
      answer.resume();
      await once(answer, 'end');
      outgoing.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    if (fault?.kind !== 'cut' && fault?.kind !== 'stall') {
      await pipeline(answer, outgoing);
      return;
    }
    outgoing.flushHeaders();
    const patience = fault.kind === 'stall' ? once(outgoing, 'close') : undefined;
    await pipeline(answer, endAfter(fault.afterBytes, patience), outgoing);
  };

  const server = createServer((incoming, outgoing) => {
    // A connection that breaks on either side is what this is for: both ends see it by themselves.
    handle(incoming, outgoing).catch(() => outgoing.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    requests,
    inject: (rule) => rules.push({ rule, left: rule.times ?? Infinity }),
    heal: () => {
      rules = [];
    },
    stop: async () => {
      stopping.abort();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

function look({ method = '', url = '/' }: IncomingMessage): SeenRequest {
  const { pathname, searchParams } = new URL(url, 'http://proxy');
  return { method, path: decodeURIComponent(pathname), query: searchParams, receivedBytes: 0 };
}

/** Passes a request's body on and counts it, slowly or damaged if so wanted. */
function passOn(seen: SeenRequest, fault: HttpFault | undefined, signal: AbortSignal) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (fault?.kind === 'damage' && seen.receivedBytes === 0) chunk[0] = (chunk[0] ?? 0) ^ 1;
      seen.receivedBytes += chunk.byteLength;
      if (fault?.kind === 'slow') {
        await delay((chunk.byteLength / fault.bytesPerSecond) * 1000, undefined, { signal });
      }
      yield chunk;
    }
  };
}

/** Passes so many bytes on and then fails, which cuts the connection; before that it waits for `patience` to end. */
function endAfter(bytes: number, patience: Promise<unknown> | undefined) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left = bytes;
    for await (const chunk of chunks) {
      if (left > 0) yield chunk.subarray(0, left);
      left -= chunk.byteLength;
      if (left > 0) continue;
      await patience;
      throw new Error('ended early on purpose');
    }
  };
}
