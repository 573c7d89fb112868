/** Usage: drain <control plane>. The same tunnel, TLS and gRPC stream as a snapshot; nothing is done with the bytes. */
import { withMember } from '../../../lambdas/datastores/etcd/reach-member.ts';
import { measure } from './control-plane.ts';

await measure(({ workload, reach }) =>
  withMember(workload, workload.members[0]?.pod ?? '', reach, async (client) => {
    let remaining = 1;
    for await (const { remainingBytes } of client.snapshot()) remaining = remainingBytes;
    if (remaining !== 0) throw new Error(`the stream ended ${remaining} bytes early`);
  }),
);
