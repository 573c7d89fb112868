import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ClusterAccess } from '../../../lambdas/kube/cluster-access.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { openPodTunnel, type TunnelOptions } from '../../../lambdas/kube/pod-tunnel.ts';
import { channelMessage as message, ChannelServer } from '../../testbed/channel-server.ts';

const PORT = 2379;
const TARGET = { namespace: 'clusters-prod', pod: 'etcd-0', port: PORT };
const [DATA, ERROR] = [0, 1];

export const preamble = Buffer.from([PORT & 0xff, PORT >> 8]);
export const announce = (socket: WebSocket): void => {
  socket.send(message(DATA, preamble));
  socket.send(message(ERROR, preamble));
};
export const echo = (socket: WebSocket): void => {
  announce(socket);
  socket.on('message', (data) => {
    socket.send(data as Buffer);
  });
};

const servers: ChannelServer[] = [];
const tunnels: Duplex[] = [];
/** Ends all of them, after a test. */
export async function endTunnels(): Promise<void> {
  for (const tunnel of tunnels.splice(0)) tunnel.destroy();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
}

/** A server of a test's own; `refuse` as it says. */
export async function serve(
  behaviour: (socket: WebSocket) => void,
  refuse?: () => number | undefined,
): Promise<ChannelServer> {
  const server = await ChannelServer.start(behaviour, refuse);
  servers.push(server);
  return server;
}

/** Opens a tunnel to the port through such a server. */
export async function open(
  server: ChannelServer,
  options: TunnelOptions = {},
  access?: ClusterAccess,
): Promise<Duplex> {
  const tunnel = await openPodTunnel(access ?? parseKubeconfig(server.kubeconfig, 'mgmt-a'), TARGET, options);
  tunnels.push(tunnel);
  return tunnel;
}
