import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from './captured-output.ts';

const BOOTSTRAP = join(import.meta.dirname, 'lambda-bootstrap.mjs');
/** Lambda's longest; a function that hangs must not hang the suite. */
const TIMEOUT_MILLISECONDS = 900_000;

/** An error as Lambda reports it, and as Step Functions matches it. */
export class FunctionError extends Error {
  constructor({ errorType, errorMessage }: { errorType: string; errorMessage: string }) {
    super(errorMessage);
    this.name = errorType;
  }
}

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A Lambda function's bundle, started outside the repository as Lambda starts it: a process of its own that asks this
 * Runtime API server for invocations. One invocation at a time, like a Lambda environment.
 */
export class LambdaFunctionProcess {
  readonly #server: Server;
  readonly #timeoutMilliseconds: number;
  readonly #waiting: Invocation[] = [];
  readonly #running = new Map<string, Invocation>();
  #asking: ServerResponse | undefined;
  #child: ChildProcess | undefined;
  #output = '';
  #ended: Error | undefined;

  private constructor(server: Server, timeoutMilliseconds: number) {
    this.#server = server;
    this.#timeoutMilliseconds = timeoutMilliseconds;
    server.on('request', (request, response) => {
      void this.#serve(request, response);
    });
  }

  /** Starts the bundle in a directory; `environment` is all it sees, as in Lambda, but for the Runtime API's own. */
  static async start(
    directory: string,
    environment: Readonly<Record<string, string>>,
    timeoutMilliseconds = TIMEOUT_MILLISECONDS,
  ): Promise<LambdaFunctionProcess> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new LambdaFunctionProcess(server, timeoutMilliseconds);
    const child = spawn(process.execPath, ['--enable-source-maps', BOOTSTRAP], {
      cwd: tmpdir(),
      env: {
        ...environment,
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(server.address() as AddressInfo).port}`,
        LAMBDA_TASK_ROOT: directory,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (started.#output += text));
    }
    child.once('close', (code) => {
      started.#ended = new Error(`the function has ended with ${code ?? 'a signal'}:\n${started.#output}`);
      for (const { reject } of [...started.#waiting.splice(0), ...started.#running.values()]) reject(started.#ended);
    });
    return started;
  }

  /** All that the function has printed. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Invokes it; FunctionError with the name that Step Functions would match. */
  async invoke(event: unknown): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ id: randomUUID(), event, resolve, reject });
      this.#offer();
    });
  }

  /** Ends the process, and gives what it has printed to the search for secrets. */
  async stop(): Promise<void> {
    if (this.#child !== undefined && this.#ended === undefined) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'close');
    }
    this.#server.closeAllConnections();
    this.#server.close();
    await capture(this.#output);
  }

  #offer(): void {
    if (this.#asking === undefined) return;
    const invocation = this.#waiting.shift();
    if (invocation === undefined) return;
    this.#running.set(invocation.id, invocation);
    this.#asking
      .writeHead(200, {
        'lambda-runtime-aws-request-id': invocation.id,
        'lambda-runtime-deadline-ms': String(Date.now() + this.#timeoutMilliseconds),
      })
      .end(JSON.stringify(invocation.event));
    this.#asking = undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, , , kind, id = '', outcome] = (request.url ?? '').split('/');
    if (kind === 'invocation' && id === 'next') {
      this.#asking = response;
      this.#offer();
      return;
    }
    const body = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()) as unknown;
    const invocation = this.#running.get(id);
    this.#running.delete(id);
    if (outcome === 'response') invocation?.resolve(body);
    else invocation?.reject(new FunctionError(body as { errorType: string; errorMessage: string }));
    response.writeHead(202).end();
  }
}

/** Milliseconds that the import of a bundle took, as the bootstrap has printed them. */
export function importMilliseconds({ output }: LambdaFunctionProcess): number {
  const [, milliseconds] = /imported in ([\d.]+) ms/.exec(output) ?? [];
  return Number(milliseconds);
}
