/** Usage: plan <policy>. Plans a run as its first function does, and reads every page; prints what a state would carry. */
import { loadConfiguration } from '../../../bin/local/configuration-file.ts';
import { openPorts } from '../../../bin/local/ports.ts';
import { planRun } from '../../../lambdas/policy-runs/plan.ts';
import { readPage } from '../../../lambdas/policy-runs/stored-plan.ts';

const policy = process.argv[2] ?? '';
const ports = await openPorts(
  loadConfiguration(undefined, process.cwd()),
  () => undefined,
  new AbortController().signal,
);
const bytesOf = (state: unknown) => Buffer.byteLength(JSON.stringify(state));
try {
  const slot = new Date().toISOString();
  const startedAt = performance.now();
  let [milliseconds, controlPlanes, pages, largestBytes] = [0, 0, 0, 0];
  for (let firstPage: number | null = 0; firstPage !== null;) {
    const part: Awaited<ReturnType<typeof planRun>> = await planRun({ policy, slot, firstPage }, ports);
    if (firstPage === 0) milliseconds = performance.now() - startedAt;
    const states = await Promise.all(part.pages.map((page) => readPage({ runId: part.runId, page }, ports)));
    largestBytes = Math.max(largestBytes, ...[part, ...states].map(bytesOf));
    pages += part.pages.length;
    ({ controlPlanes, nextPage: firstPage } = part);
  }
  process.stdout.write(JSON.stringify({ milliseconds, controlPlanes, pages, largestBytes }));
} finally {
  ports.close();
}
