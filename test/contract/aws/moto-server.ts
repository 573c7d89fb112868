import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePythonEnvironment } from '../../suite/python-environment.ts';
import { untilAnswers } from '../../suite/until-answers.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { startDetached, stopProcess } from '../../testbed/process.ts';

const REQUIREMENTS = join(import.meta.dirname, 'moto', 'requirements.txt');

/** AWS's services for one suite, empty at first. */
export interface MotoServer {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Starts moto on a free port of loopback; the first time on a machine it is installed, which takes about a minute. */
export async function startMoto(): Promise<MotoServer> {
  const python = await ensurePythonEnvironment('moto', REQUIREMENTS, (line) => process.stderr.write(`${line}\n`));
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-moto-'));
  const [port = 0] = await freePorts(1);
  const record = await startDetached({
    name: 'moto',
    command: [python, '-m', 'moto.server', '--host', '127.0.0.1', '--port', String(port)],
    logPath: join(directory, 'moto.log'),
  });
  const stop = async (): Promise<void> => {
    await stopProcess(record);
    await rm(directory, { recursive: true });
  };
  const endpoint = `http://127.0.0.1:${port}`;
  await untilAnswers({ record, url: `${endpoint}/moto-api/`, timeoutSeconds: 60, stop });
  return { endpoint, stop };
}
