import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { freePorts } from './free-ports.ts';
import { isRunning, killProcess, processRecordSchema, requireRunning, startDetached, stopProcess } from './process.ts';
import { waitFor } from './waiting.ts';

const s3StateSchema = z.object({
  directory: z.string(),
  program: z.string(),
  port: z.int().positive(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  process: processRecordSchema.optional(),
});
type S3State = z.infer<typeof s3StateSchema>;

const REGION = 'us-east-1';
const statePath = (directory: string): string => join(directory, 's3.json');

async function readState(directory: string): Promise<S3State> {
  return s3StateSchema.parse(JSON.parse(await readFile(statePath(directory), 'utf8')));
}

async function writeState(state: S3State): Promise<void> {
  const unfinished = `${statePath(state.directory)}.${process.pid}`;
  await writeFile(unfinished, JSON.stringify(state, null, 2), { mode: 0o600 });
  await rename(unfinished, statePath(state.directory));
}

/** The bed's S3: versitygw over a directory, with versions and Object Lock. Everything is read from its state directory. */
export class S3Server {
  /** http://127.0.0.1:<port>; the port stays the same over kill and start. Use it with path-style addressing. */
  readonly endpoint: string;
  readonly region = REGION;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly #directory: string;

  private constructor(state: S3State) {
    this.endpoint = `http://127.0.0.1:${state.port}`;
    this.accessKeyId = state.accessKeyId;
    this.secretAccessKey = state.secretAccessKey;
    this.#directory = state.directory;
  }

  /** Prepares an S3 with random credentials on a free port, its data below `directory`, and starts it. */
  static async create(directory: string, program: string): Promise<S3Server> {
    await mkdir(join(directory, 'objects'), { recursive: true });
    await mkdir(join(directory, 'versions'), { recursive: true });
    const [port = 0] = await freePorts(1);
    const accessKeyId = randomBytes(10).toString('hex').toUpperCase();
    const secretAccessKey = randomBytes(30).toString('base64url');
    await writeState({ directory, program, port, accessKeyId, secretAccessKey });
    const server = await S3Server.attach(directory);
    await server.start();
    return server;
  }

  /** The S3 of a state directory, whether this or another process started it. */
  static async attach(directory: string): Promise<S3Server> {
    return new S3Server(await readState(directory));
  }

  async isRunning(): Promise<boolean> {
    const { process: record } = await readState(this.#directory);
    return record !== undefined && (await isRunning(record));
  }

  /** Starts it, for the first time or after {@link kill}, and returns once it answers. */
  async start(): Promise<void> {
    if (await this.isRunning()) return;
    const state = await readState(this.#directory);
    const { directory, program, port } = state;
    const record = await startDetached({
      name: 's3',
      command: [
        ...[program, '--port', `127.0.0.1:${port}`, '--region', REGION, '--quiet'],
        ...['posix', '--versioning-dir', join(directory, 'versions'), join(directory, 'objects')],
      ] as [string, ...string[]],
      // Not as arguments, which every user of the machine may read.
      env: { ROOT_ACCESS_KEY_ID: state.accessKeyId, ROOT_SECRET_ACCESS_KEY: state.secretAccessKey },
      logPath: join(directory, 's3.log'),
    });
    await writeState({ ...state, process: record });
    await waitFor(
      `S3 at ${this.endpoint} to answer`,
      async () => {
        await requireRunning(record);
        return this.#answers();
      },
      { timeoutSeconds: 20 },
    );
  }

  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(this.endpoint, { signal: AbortSignal.timeout(2000) });
      await response.arrayBuffer();
      return true;
    } catch {
      return false;
    }
  }

  /** Ends it with SIGKILL, as a crash would; data and port stay. */
  async kill(): Promise<void> {
    const { process: record } = await readState(this.#directory);
    if (record !== undefined) await killProcess(record);
  }

  /** Ends it; safe to repeat. */
  async stop(): Promise<void> {
    const { process: record } = await readState(this.#directory);
    if (record !== undefined) await stopProcess(record);
  }

  /** A client with full rights; the caller destroys it. */
  createClient(): S3Client {
    return new S3Client({
      endpoint: this.endpoint,
      region: this.region,
      forcePathStyle: true,
      credentials: { accessKeyId: this.accessKeyId, secretAccessKey: this.secretAccessKey },
    });
  }

  /** Creates a bucket; with Object Lock it is versioned as well. */
  async createBucket(name: string, { objectLock = false }: { objectLock?: boolean } = {}): Promise<void> {
    const client = this.createClient();
    try {
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: objectLock }));
    } finally {
      client.destroy();
    }
  }
}
