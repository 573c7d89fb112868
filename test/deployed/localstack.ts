import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../suite/captured-output.ts';
import { ensurePythonEnvironment } from '../suite/python-environment.ts';
import { untilAnswers } from '../suite/until-answers.ts';
import { freePorts } from '../testbed/free-ports.ts';
import { startDetached, stopProcess } from '../testbed/process.ts';

const ROOM = join(import.meta.dirname, 'localstack');
const START_SECONDS = 120;

export const REGION = 'eu-central-1';
/** LocalStack's, for whoever comes with credentials that are no number of an account. */
export const ACCOUNT = '000000000000';
/** What LocalStack puts into templates for `AWS::URLSuffix`: its own host. */
export const URL_SUFFIX = '127.0.0.1';

/** One account of AWS, empty at first. */
export interface LocalStack {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/**
 * Starts LocalStack on a free port of loopback, without Docker; `functionHost` is where it has functions run (function-host.ts).
 * The first time on a machine it is installed, which takes about a minute.
 */
export async function startLocalStack(functionHost: string): Promise<LocalStack> {
  const requirements = join(ROOM, 'requirements.txt');
  const python = await ensurePythonEnvironment('localstack', requirements, (line) => process.stderr.write(`${line}\n`));
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-localstack-'));
  const logPath = join(directory, 'localstack.log');
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const record = await startDetached({
    name: 'LocalStack',
    command: [python, join(ROOM, 'serve.py')],
    logPath,
    env: {
      FUNCTION_HOST: functionHost,
      GATEWAY_LISTEN: address,
      LOCALSTACK_HOST: address,
      // Whatever it writes lies with its log, and goes with it.
      HOME: directory,
      TMPDIR: directory,
      FILESYSTEM_ROOT: join(directory, 'root'),
      PYTHONDONTWRITEBYTECODE: '1',
      // Names in place of addresses would need its DNS server.
      DNS_ADDRESS: '0',
      SQS_ENDPOINT_STRATEGY: 'path',
      // Both would ask the internet.
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DISABLE_EVENTS: '1',
    },
  });
  const stop = async (): Promise<void> => {
    await stopProcess(record, 20);
    await capture(await readFile(logPath, 'utf8'));
    await rm(directory, { recursive: true });
  };
  const endpoint = `http://${address}`;
  await untilAnswers({ record, url: `${endpoint}/_localstack/health`, timeoutSeconds: START_SECONDS, stop });
  return { endpoint, stop };
}
