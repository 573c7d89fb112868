// How a management cluster is reached: one veth pair into its network namespace, and its pods and Services routed there.
// Nothing else changes on the host: no bridge, no iptables rule, no forwarding.
import * as z from 'zod';
import { requireCommand, runCommand } from './command.ts';
import { networkCommand } from './enclosure.ts';
import { TestbedError } from './errors.ts';
import type { ProcessRecord } from './process.ts';

export const clusterNetworkSchema = z.object({
  /** The host's end of the veth pair. */
  hostLink: z.string(),
  /** The host as pods see it: their gateway to whatever listens on the host. */
  hostAddress: z.string(),
  /** The node, with the API server on port 6443 and DNS on port 53. */
  nodeAddress: z.string(),
  podSubnet: z.string(),
  serviceSubnet: z.string(),
  /** ClusterIP of the Service `kubernetes`. */
  apiServiceAddress: z.string(),
});
export type ClusterNetwork = Readonly<z.infer<typeof clusterNetworkSchema>>;

const NETWORKS = 64;

function networkNumber(index: number): ClusterNetwork {
  return {
    hostLink: `lifeboat-bed${index}`,
    hostAddress: `10.231.${index}.1`,
    nodeAddress: `10.231.${index}.2`,
    podSubnet: `10.232.${index}.0/24`,
    serviceSubnet: `10.233.${index}.0/24`,
    apiServiceAddress: `10.233.${index}.1`,
  };
}

/** True when the host reaches the address otherwise than by its default route: the machine's own networks come first. */
async function isInUse(address: string): Promise<boolean> {
  const { stdout } = await runCommand('ip', ['-json', 'route', 'show', 'match', address]);
  const routes = z.array(z.object({ dst: z.string() })).parse(JSON.parse(stdout || '[]'));
  return routes.some(({ dst }) => dst !== 'default');
}

/**
 * Gives the enclosure the first free network. A network is claimed by creating its link, which the kernel does for one
 * claimant only, so beds that start at once never share.
 */
export async function claimNetwork(anchor: ProcessRecord): Promise<ClusterNetwork> {
  for (let index = 0; index < NETWORKS; index += 1) {
    const network = networkNumber(index);
    const { hostLink, hostAddress, nodeAddress, podSubnet, serviceSubnet } = network;
    const addresses = [nodeAddress, podSubnet.replace('/24', ''), serviceSubnet.replace('/24', '')];
    if ((await Promise.all(addresses.map(isInUse))).includes(true)) continue;
    const create = ['link', 'add', hostLink, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(anchor.pid)];
    const created = await runCommand('ip', create);
    if (created.stderr.includes('File exists')) continue;
    if (created.exitCode !== 0) throw new TestbedError(`Cannot create the link ${hostLink}: ${created.stderr.trim()}`);
    await requireCommand('ip', ['-batch', '-'], {
      input: `
        address add ${hostAddress}/30 dev ${hostLink}
        link set ${hostLink} up
        route add ${podSubnet} via ${nodeAddress}
        route add ${serviceSubnet} via ${nodeAddress}
      `,
    });
    const [program, ...args] = networkCommand(anchor, [
      'sh',
      '-ec',
      FURNISH_SCRIPT,
      'furnish',
      nodeAddress,
      hostAddress,
    ]);
    await requireCommand(program, args);
    return network;
  }
  throw new TestbedError(`All ${NETWORKS} networks of the test bed are in use`, {
    remedy: 'See "ip link" for links named lifeboat-bed*, and end the beds they belong to.',
  });
}

const FURNISH_SCRIPT = `
ip link set lo up
ip address add $1/30 dev eth0
ip link set eth0 up
ip route add default via $2
echo 1 > /proc/sys/net/ipv4/ip_forward
`;

/** Removes the host's end of a cluster's link; the routes go with it. */
export async function releaseNetwork(network: ClusterNetwork): Promise<void> {
  const { exitCode, stderr } = await runCommand('ip', ['link', 'delete', network.hostLink]);
  // The link is gone by itself once the namespace of its other end is.
  if (exitCode !== 0 && !/Cannot find device|No such device/.test(stderr)) {
    throw new TestbedError(`Cannot remove the link ${network.hostLink}: ${stderr.trim()}`);
  }
}
