import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  isRunning,
  killProcess,
  requireRunning,
  signalProcess,
  startDetached,
  stopProcess,
  type ProcessRecord,
} from '../testbed/process.ts';
import { waitFor } from '../testbed/waiting.ts';

// What is known of a process comes from /proc.
const onLinux = process.platform === 'linux' ? it : it.skip;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-process-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

let count = 0;
async function startShell(script: string): Promise<ProcessRecord> {
  count += 1;
  return startDetached({ name: 'shell', command: ['sh', '-c', script], logPath: join(directory, `${count}.log`) });
}

onLinux('never signals a later process that got the recorded id', async () => {
  const successor = await startShell('exec sleep 600');
  const record = { ...successor, startTicks: successor.startTicks - 1 };
  try {
    expect(await isRunning(record)).toBe(false);
    expect(await signalProcess(record, 'SIGKILL')).toBe(false);
    await killProcess(record);
    expect(await isRunning(successor)).toBe(true);
  } finally {
    await killProcess(successor);
  }
});

onLinux('kills a process that ignores the request to end', async () => {
  const stubborn = await startShell('trap "" TERM; echo deaf; while :; do sleep 0.1; done');
  await waitFor('the trap', async () => (await readFile(stubborn.logPath, 'utf8')).includes('deaf'), {
    timeoutSeconds: 10,
  });
  await stopProcess(stubborn, 0.2);
  expect(await isRunning(stubborn)).toBe(false);
});

onLinux('lets a process end by itself when asked', async () => {
  const polite = await startShell('trap "echo bye; exit" TERM; echo ready; while :; do sleep 0.05; done');
  await waitFor('the trap', async () => (await readFile(polite.logPath, 'utf8')).includes('ready'), {
    timeoutSeconds: 10,
  });
  await stopProcess(polite);
  expect(await readFile(polite.logPath, 'utf8')).toContain('bye');
});

onLinux('shows the end of the log of a process that died', async () => {
  const failed = await startShell('sleep 0.1; echo the reason; exit 1');
  await waitFor('the end of the shell', async () => !(await isRunning(failed)), { timeoutSeconds: 10 });
  await expect(requireRunning(failed)).rejects.toThrow('the reason');
});

onLinux('records the child of a command that only waits for it', async () => {
  const record = await startDetached({
    name: 'inner',
    command: ['sh', '-c', 'sleep 600; true'],
    logPath: join(directory, 'inner.log'),
    recordsChild: true,
  });
  try {
    await waitFor(
      'the child to be sleep',
      async () => (await readFile(`/proc/${record.pid}/cmdline`, 'utf8')).startsWith('sleep'),
      { timeoutSeconds: 10 },
    );
  } finally {
    await killProcess(record);
  }
});
