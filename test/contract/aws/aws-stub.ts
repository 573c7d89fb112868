import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a stub says to a request; 'hang': nothing, ever. */
export type StubAnswer =
  { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> } | 'hang';

/** Stands in for shapes of failure that moto does not produce; that the services are spoken to is shown with moto. */
export interface AwsStub {
  readonly endpoint: string;
  /** Times by which requests were signed, in the order of their arrival. */
  readonly signedAt: readonly Date[];
  stop(): Promise<void>;
}

/** A server's own words, which must never get into ours. */
export const SERVER_TEXT = 'planted text of the server';

/**
 * An error as AWS documents it for its JSON protocols: the code in the body for JSON 1.0 and 1.1, in a header for REST.
 */
export function awsError(status: number, code: string): StubAnswer {
  return {
    status,
    body: { __type: `com.amazonaws.service#${code}`, message: SERVER_TEXT, Message: SERVER_TEXT },
    headers: { 'x-amzn-errortype': `${code}:http://internal.amazon.com/coral/`, 'x-amzn-requestid': 'request-1' },
  };
}

/** Starts an HTTP server that gives the answers in turn, and the last one from then on. */
export async function startAwsStub(...answers: readonly [StubAnswer, ...StubAnswer[]]): Promise<AwsStub> {
  const signedAt: Date[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(signedAt.length, answers.length - 1)] ?? 'hang';
    signedAt.push(readSigningTime(request));
    request.resume();
    if (answer === 'hang') return;
    const { status, body, headers } = answer;
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    signedAt,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** `20260102T030405Z` of the header that every signed request has. */
function readSigningTime({ headers }: IncomingMessage): Date {
  const text = String(headers['x-amz-date']);
  return new Date(text.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
