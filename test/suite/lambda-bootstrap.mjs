// The part of Lambda that runs inside the sandbox: imports the function's bundle and serves invocations of the Runtime API.
// Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
import { request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

// Not fetch: it gives up after five minutes, and an idle function waits longer for its next invocation.
const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`;
    const answered = async (response) => ({ headers: response.headers, body: await text(response) });
    request(url, { method, agent: false }, (response) => answered(response).then(resolve, reject))
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body ?? null));
  });
const failure = ({ name, message, stack }) => ({ errorType: name, errorMessage: message, trace: stack?.split('\n') });

const startedAt = performance.now();
let handler;
try {
  ({ handler } = await import(pathToFileURL(`${process.env.LAMBDA_TASK_ROOT}/index.mjs`)));
} catch (error) {
  await call('POST', 'init/error', failure(error));
  process.exit(1);
}
process.stdout.write(`imported in ${performance.now() - startedAt} ms\n`);

for (;;) {
  const { headers, body } = await call('GET', 'invocation/next');
  const id = headers['lambda-runtime-aws-request-id'];
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  try {
    const context = { awsRequestId: id, getRemainingTimeInMillis: () => deadline - Date.now() };
    await call('POST', `invocation/${id}/response`, (await handler(JSON.parse(body), context)) ?? null);
  } catch (error) {
    await call('POST', `invocation/${id}/error`, failure(error));
  }
}
