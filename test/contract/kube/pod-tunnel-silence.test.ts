import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { channelMessage as message } from '../../testbed/channel-server.ts';
import { TcpProxy } from '../../testbed/tcp-proxy.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { ToldSilences } from '../told-silences.ts';
import { announce, echo, endTunnels, open, serve } from './tunnels.ts';

const DATA = 0;

afterEach(endTunnels);

describe('a tunnel over which nothing comes', () => {
  const FROM = /the tunnel to port 2379 of pod "clusters-prod\/etcd-0"/;

  it('is told of when the other side is gone without a word, and when it is back', async () => {
    const server = await serve(echo);
    const access = parseKubeconfig(server.kubeconfig, 'mgmt-a');
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port: Number(new URL(access.server).port) });
    try {
      const silences = new ToldSilences();
      const through = { ...access, server: `https://127.0.0.1:${proxy.port}` };
      const tunnel = await silences.during(() => open(server, {}, through));
      const held = proxy.holdAfter(0);
      tunnel.resume().write('asked');
      await held;
      await silences.ofWhat(FROM);
      proxy.release();
      await silences.overWith(FROM);
    } finally {
      await proxy.stop();
    }
  });

  it('is told of before it is open as well', async () => {
    const server = await serve(echo, () => 0);
    const silences = new ToldSilences();
    const opening = silences.during(() => open(server, { connectTimeoutMilliseconds: 3_000 }));
    const failing = expect(opening).rejects.toThrow(/it was not open in time/);
    await silences.ofWhat(FROM);
    await failing;
  });

  it('is not told of while pings are answered, and while our own reader is slow', async () => {
    const chunk = message(DATA, randomBytes(1024 * 1024));
    let pings = 0;
    const quiet = await serve((socket) => {
      echo(socket);
      socket.on('ping', () => (pings += 1));
    });
    const fast = await serve((socket) => {
      announce(socket);
      for (let count = 0; count < 64; count += 1) socket.send(chunk);
    });
    const silences = new ToldSilences(1_000);
    await silences.during(() => open(quiet));
    await once(await silences.during(() => open(fast)), 'readable');
    await waitFor('pings for longer than a silence needs', () => pings >= 4, { timeoutSeconds: 60 });
    expect(silences.isEmpty).toBe(true);
  });
});
