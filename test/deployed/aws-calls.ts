import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/** A call of AWS's API, as a function has made it. */
export interface AwsCall {
  /** Name of the function's role: the host gives it as the access key (function-host.ts), and so it stands in the signature. */
  readonly role: string;
  /** As the signature names it, such as `s3`. */
  readonly service: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the services that take JSON; undefined for all else. */
  readonly body: unknown;
}

/** A proxy between the functions and LocalStack, that keeps what they ask for. */
export interface AwsCalls {
  readonly endpoint: string;
  readonly calls: readonly AwsCall[];
  stop(): Promise<void>;
}

const SIGNED_BY = /Credential=([^/]+)\/\d{8}\/[^/]+\/([^/]+)\/aws4_request/;

export async function recordAwsCalls(target: string): Promise<AwsCalls> {
  const calls: AwsCall[] = [];
  const server = createServer();
  server.requestTimeout = 0;
  server.on('request', (incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url: path = '/', headers } = incoming;
    const url = new URL(path, target);
    const [, role = '', service = ''] = SIGNED_BY.exec(headers.authorization ?? '') ?? [];
    // What S3 takes may be large, and goes through as it comes.
    const body = service === 's3' ? undefined : await buffer(incoming);
    calls.push({ role, service, method, url, headers: textOf(headers), body: parsed(body) });
    const passed = { ...headers };
    // "100 Continue" was said here.
    delete passed.expect;
    const onward = forward(url, { method, headers: passed, agent: false });
    onward.once('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, outgoing).catch(() => outgoing.destroy());
    });
    onward.once('error', () => outgoing.destroy());
    if (body === undefined) await pipeline(incoming, onward);
    else onward.end(body);
  }

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function textOf(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(',')]));
}

function parsed(body: Buffer | undefined): unknown {
  if (body === undefined || body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
