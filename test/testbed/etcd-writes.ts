import { create, toBinary } from '@bufbuild/protobuf';
import {
  AlarmRequest_AlarmAction,
  AlarmRequestSchema,
  AlarmType,
} from '../../lambdas/datastores/etcd/wire/generated/etcd/api/etcdserverpb/rpc_pb.ts';
import { GrpcConnection } from '../../lambdas/datastores/etcd/wire/grpc-connection.ts';
import { encodePutRequest } from '../../lambdas/datastores/etcd/wire/messages.ts';
import type { SecureEtcd } from './secure-etcd.ts';

const CALLS_AT_ONCE = 32;

async function withConnection<T>(
  etcd: SecureEtcd,
  pod: string,
  work: (grpc: GrpcConnection) => Promise<T>,
): Promise<T> {
  const { workload, cluster } = etcd;
  const socket = await cluster.openTunnel({ namespace: workload.namespace, pod, port: workload.clientPort });
  const options = { member: pod, timeoutMilliseconds: 10_000, clock: () => new Date(), signal: undefined };
  const grpc = await GrpcConnection.open(socket, workload.tls, options);
  try {
    return await work(grpc);
  } finally {
    await grpc.close();
  }
}

/** Fills an etcd with keys `/registry/filler/<n>`: thousands a second, where etcdctl takes a process for each. */
export async function putValues(
  etcd: SecureEtcd,
  pod: string,
  { count, value }: { count: number; value: (index: number) => Buffer },
): Promise<void> {
  await withConnection(etcd, pod, async (grpc) => {
    let next = 0;
    const putSome = async (): Promise<void> => {
      while (next < count) {
        const index = next;
        next += 1;
        const request = encodePutRequest(Buffer.from(`/registry/filler/${index}`), value(index));
        await grpc.unary('/etcdserverpb.KV/Put', request, 60_000);
      }
    };
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, putSome));
  });
}

/** Raises an alarm for a member, which etcdctl can't. */
export async function raiseAlarm(
  etcd: SecureEtcd,
  pod: string,
  memberId: string,
  alarm: 'NOSPACE' | 'CORRUPT',
): Promise<void> {
  const action = AlarmRequest_AlarmAction.ACTIVATE;
  const request = create(AlarmRequestSchema, { action, memberID: BigInt(`0x${memberId}`), alarm: AlarmType[alarm] });
  await withConnection(etcd, pod, (grpc) =>
    grpc.unary('/etcdserverpb.Maintenance/Alarm', toBinary(AlarmRequestSchema, request), 10_000),
  );
}
