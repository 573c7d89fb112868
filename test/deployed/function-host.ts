import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import * as z from 'zod';
import { FunctionError, LambdaFunctionProcess } from '../suite/lambda-function.ts';
import { waitFor } from '../testbed/waiting.ts';
import { REGION } from './localstack.ts';

/** What LocalStack was told of a function when it was deployed, and the event (serve.py). */
const taskSchema = z.object({
  name: z.string(),
  version: z.string(),
  role: z.string(),
  code: z.string(),
  layers: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  timeoutSeconds: z.int().positive(),
  event: z.unknown(),
});
type Task = z.infer<typeof taskSchema>;

interface Answer {
  readonly isError: boolean;
  readonly payload: unknown;
}

export interface Invocation {
  /** Of the function, as CloudFormation has named it: its physical name. */
  readonly name: string;
  readonly event: unknown;
  readonly answer: Answer;
}

/**
 * Lambda's part of the cloud: runs each function as its deployed zip and layer by this Node, in a process of its own with its
 * deployed environment, and keeps the process for the next invocation, as Lambda does. The credentials name the function's
 * role (aws-calls.ts).
 */
export class FunctionHost {
  readonly #server: Server;
  readonly #awsEndpoint: () => string;
  readonly #idle = new Map<string, LambdaFunctionProcess[]>();
  readonly #all: { readonly name: string; readonly process: LambdaFunctionProcess }[] = [];
  readonly #invocations: Invocation[] = [];

  private constructor(server: Server, awsEndpoint: () => string) {
    this.#server = server;
    this.#awsEndpoint = awsEndpoint;
  }

  /** `awsEndpoint` is asked for when the first function runs, for LocalStack has to know this host before. */
  static async start(awsEndpoint: () => string): Promise<FunctionHost> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = new FunctionHost(server, awsEndpoint);
    // A function may take a quarter of an hour.
    server.requestTimeout = 0;
    server.on('request', (request, response) => {
      host.#serve(request).then(
        (answer) => response.end(JSON.stringify(answer)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    return host;
  }

  /** For LocalStack. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  invocationsOf(functionName: string): Invocation[] {
    return this.#invocations.filter(({ name }) => name === functionName);
  }

  /** The first of a function; waits for its end. */
  async invocationOf(functionName: string): Promise<Invocation> {
    const first = () => this.invocationsOf(functionName).at(0);
    return await waitFor(`an invocation of ${functionName}`, first, { timeoutSeconds: 60 });
  }

  /** All lines with a text in them that a function has printed. */
  linesOf(functionName: string, part: string): string[] {
    return this.#all
      .filter(({ name }) => name === functionName)
      .flatMap(({ process }) => process.output.split('\n'))
      .filter((line) => line.includes(part));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await Promise.all(this.#all.map(({ process }) => process.stop()));
  }

  async #serve(request: IncomingMessage): Promise<Answer> {
    const task = taskSchema.parse(await json(request));
    const answer = await this.#run(task);
    this.#invocations.push({ name: task.name, event: task.event, answer });
    return answer;
  }

  async #run({ event, ...deployed }: Task): Promise<Answer> {
    const key = JSON.stringify(deployed);
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    const running = idle.pop() ?? (await this.#start(deployed));
    const { promise: timedOut, resolve: timeOut } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      timeOut(undefined);
    }, deployed.timeoutSeconds * 1000);
    const answer = await Promise.race([answerOf(running, event), timedOut]);
    clearTimeout(timer);
    if (answer === undefined) {
      await running.stop();
      const errorMessage = `Task timed out after ${deployed.timeoutSeconds}.00 seconds`;
      return { isError: true, payload: { errorType: 'Sandbox.Timedout', errorMessage } };
    }
    if (!running.hasEnded) idle.push(running);
    return answer;
  }

  async #start({ name, version, role, code, layers, environment, timeoutSeconds }: Omit<Task, 'event'>) {
    // Lambda unpacks layers there; every function has one.
    const [layer = ''] = layers;
    const moved = Object.entries(environment).map(([key, value]) => [key, value.replace(/^\/opt(?=\/)/, layer)]);
    const process = await LambdaFunctionProcess.start(
      code,
      {
        AWS_REGION: REGION,
        AWS_ENDPOINT_URL: this.#awsEndpoint(),
        AWS_ACCESS_KEY_ID: role.slice(role.lastIndexOf('/') + 1),
        AWS_SECRET_ACCESS_KEY: 'of-nobody',
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_LAMBDA_FUNCTION_VERSION: version,
        ...(Object.fromEntries(moved) as Record<string, string>),
      },
      timeoutSeconds * 1000,
    );
    this.#all.push({ name, process });
    return process;
  }
}

async function answerOf(running: LambdaFunctionProcess, event: unknown): Promise<Answer> {
  try {
    return { isError: false, payload: await running.invoke(event) };
  } catch (error) {
    const { name, message } = error as Error;
    const errorType = error instanceof FunctionError ? name : 'Runtime.ExitError';
    return { isError: true, payload: { errorType, errorMessage: message } };
  }
}
