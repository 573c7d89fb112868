import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EtcdClient } from '../../../lambdas/datastores/etcd/wire/etcd-client.ts';
import { encodeFrame } from '../../../lambdas/datastores/etcd/wire/grpc-frames.ts';
import { DatastoreError, NoUsableMemberError, PermissionError, TunnelError } from '../../../lambdas/domain/errors.ts';
import type { EtcdClientTls } from '../../../lambdas/domain/etcd-workload.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../../testbed/certificates.ts';
import { putValues, raiseAlarm } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';

const POD = 'etcd-0';

describe.each([
  { release: '3.5', version: '3.5.21' },
  { release: '3.6', version: '3.6.5' },
] as const)('the client of a real etcd $version', ({ release, version }) => {
  let etcd: SecureEtcd;

  beforeAll(async () => {
    etcd = await SecureEtcd.start({ release });
    await putValues(etcd, POD, { count: 600, value: () => randomBytes(64 * 1024) });
  });
  afterAll(async () => {
    await etcd.stop();
  });

  const connectWith = (tls: EtcdClientTls = etcd.workload.tls, options: { callTimeoutMilliseconds?: number } = {}) =>
    EtcdClient.connect(() => etcd.cluster.openTunnel({ namespace: '', pod: POD, port: 0 }), tls, {
      member: POD,
      ...options,
    });

  async function withClient<T>(work: (client: EtcdClient) => Promise<T>): Promise<T> {
    const client = await connectWith();
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  it('says what etcdctl says about status, members and the hash of the keyspace', async () => {
    const [status, members, hash] = await withClient(async (client) => {
      const { revision } = await client.status();
      // Streaming commits what is still in memory, so that two looks at the sizes see the same.
      await Array.fromAsync(client.snapshot());
      return Promise.all([client.status(), client.memberList(), client.hashKV(revision)]);
    });
    const [printed] = JSON.parse(await etcd.etcdctl('endpoint', 'status', '-w', 'json')) as [{ Status: Printed }];
    const [printedHash] = JSON.parse(await etcd.etcdctl('endpoint', 'hashkv', '-w', 'json')) as [{ HashKV: Printed }];
    const { members: printedMembers } = JSON.parse(await etcd.etcdctl('member', 'list', '-w', 'json', '--hex')) as {
      members: Printed[];
    };
    expect(status).toMatchObject({
      version,
      revision: printed.Status.header?.['revision'],
      sizeBytes: printed.Status['dbSize'],
      inUseBytes: printed.Status['dbSizeInUse'],
      raftIndex: printed.Status['raftIndex'],
      learner: false,
      alarms: [],
    });
    expect(status.leaderId).toBe(status.memberId);
    expect(members).toEqual([
      expect.objectContaining({
        id: status.memberId,
        name: POD,
        learner: false,
        peerUrls: printedMembers[0]?.['peerURLs'],
      }),
    ]);
    expect(status.memberId).toBe(printedMembers[0]?.['ID']);
    expect(hash).toEqual({ hash: printedHash.HashKV['hash'], compactRevision: printedHash.HashKV['compact_revision'] });
  });

  it('streams the snapshot whole, with the announced size and the hash last', async () => {
    const chunks = await withClient(async (client) => Array.fromAsync(client.snapshot()));
    const [first, trailer] = [chunks[0], chunks.at(-1)];
    const sizeBytes = chunks.reduce((sum, { blob }) => sum + blob.length, 0);
    expect(sizeBytes - 32).toBe((first?.blob.length ?? 0) + (first?.remainingBytes ?? 0));
    expect(trailer).toMatchObject({ remainingBytes: 0, version: release === '3.6' ? '3.6.0' : '' });
    expect(trailer?.blob).toHaveLength(32);
  });

  const becomes = (transactions: number) =>
    waitFor(
      `${transactions} open read transactions`,
      async () => (await etcd.openReadTransactions(POD)) === transactions,
      { timeoutSeconds: 60 },
    );

  it('holds the member back while nobody reads, and lets it go when the loop is left', async () => {
    const before = await etcd.idleReadTransactions(POD);
    await withClient(async (client) => {
      for await (const chunk of client.snapshot()) {
        // 16 MiB of window and a few buffers are under way, not the 38 MiB that the database has.
        expect(chunk.remainingBytes).toBeGreaterThan(0);
        await becomes(before + 1);
        break;
      }
      await becomes(before);
    });
  });

  it('lets the member go when the signal aborts, and rejects with its reason', async () => {
    const before = await etcd.idleReadTransactions(POD);
    const controller = new AbortController();
    const reason = new Error('the deadline of the whole work');
    await withClient(async (client) => {
      const reading = (async () => {
        for await (const chunk of client.snapshot({ signal: controller.signal })) {
          if (chunk.remainingBytes > 0) controller.abort(reason);
        }
      })();
      await expect(reading).rejects.toBe(reason);
      await becomes(before);
    });
  });

  it('says so when the member has compacted a revision or has not reached it', async () => {
    await withClient(async (client) => {
      const { revision } = await client.status();
      await expect(client.hashKV(revision + 1000)).rejects.toThrow(/has not reached the revision/);
      await etcd.etcdctl('compaction', '--physical', String(revision));
      await expect(client.hashKV(revision - 1)).rejects.toThrow(/has compacted the revision already/);
      await etcd.etcdctl('put', 'one', 'more');
      expect(await client.hashKV(revision + 1)).toMatchObject({ compactRevision: revision });
    });
  });

  it('gives up on a call that is not answered, and the client stays usable', async () => {
    const client = await connectWith(etcd.workload.tls, { callTimeoutMilliseconds: 100 });
    await etcd.freeze(POD);
    try {
      await expect(client.status()).rejects.toThrow(/did not answer Maintenance.Status in time/);
    } finally {
      await etcd.thaw(POD);
    }
    await waitFor('an answer', () => client.status().catch(() => undefined), { timeoutSeconds: 10 });
    await client.close();
  });

  describe('is refused', () => {
    it('without a connection, when its certificate has expired, with the date', async () => {
      const tls = etcd.clientTls({
        commonName: 'old',
        notBefore: new Date('2020-01-01'),
        notAfter: new Date('2021-01-01'),
      });
      await expect(connectWith(tls)).rejects.toThrow(/etcd-0 expired on 2021-01-01T00:00:00.000Z/);
      await expect(connectWith(tls)).rejects.toBeInstanceOf(PermissionError);
    });

    it('by the member, when its certificate has expired although our clock says otherwise', async () => {
      const tls = etcd.clientTls({
        commonName: 'old',
        notBefore: new Date('2020-01-01'),
        notAfter: new Date('2021-01-01'),
      });
      const connecting = EtcdClient.connect(() => etcd.cluster.openTunnel({ namespace: '', pod: POD, port: 0 }), tls, {
        member: POD,
        clock: () => new Date('2020-06-01'),
      });
      await expect(connecting).rejects.toThrow(/did not let us in: it refused our client certificate/);
    });

    it('by the member, when another authority signed its certificate', async () => {
      const tls = etcd.clientTls({ commonName: 'stranger' }, createAuthority('stranger'));
      await expect(connectWith(tls)).rejects.toThrow(/etcd-0 did not let us in/);
      await expect(connectWith(tls)).rejects.toBeInstanceOf(PermissionError);
    });

    it('by us, when the member is not of the given CA', async () => {
      const tls = { ...etcd.workload.tls, ca: createAuthority('another').certificate };
      await expect(connectWith(tls)).rejects.toThrow(/was not signed by the given CA/);
      await expect(connectWith(tls)).rejects.toBeInstanceOf(NoUsableMemberError);
    });

    it('by us, when the member does not carry the name', async () => {
      const tls = { ...etcd.workload.tls, serverName: 'etcd-client.clusters-prod.svc' };
      await expect(connectWith(tls)).rejects.toThrow(/does not carry the name/);
    });
  });

  it('reads alarms out of the status', async () => {
    await withClient(async (client) => {
      const { memberId } = await client.status();
      await raiseAlarm(etcd, POD, memberId, 'NOSPACE');
      try {
        await waitFor('the alarm', async () => (await client.status()).alarms.length > 0, { timeoutSeconds: 20 });
        expect((await client.status()).alarms).toEqual([{ memberId, alarm: 'NOSPACE' }]);
      } finally {
        await etcd.etcdctl('alarm', 'disarm');
      }
    });
  });
});

describe('a stream that leads to no etcd', () => {
  const authority = createAuthority('etcd-signer');
  const { certificate, key } = issueCertificate(authority, { commonName: 'lifeboat' });
  const tls = { ca: authority.certificate, certificate, key: new Secret(key), serverName: 'localhost' };
  const streams = (): [Duplex, Duplex] => duplexPair({ allowHalfOpen: false });

  it('fails with the error of the stream below', async () => {
    const [ours, theirs] = streams();
    theirs.once('data', () => ours.destroy(new TunnelError('the pod is gone')));
    const connecting = EtcdClient.connect(() => Promise.resolve(ours), tls, { member: POD });
    await expect(connecting).rejects.toThrow('the pod is gone');
    await expect(connecting).rejects.toBeInstanceOf(TunnelError);
  });

  it('fails and is closed when nobody answers the handshake', async () => {
    const [ours] = streams();
    const connecting = EtcdClient.connect(() => Promise.resolve(ours), tls, {
      member: POD,
      connectTimeoutMilliseconds: 50,
    });
    await expect(connecting).rejects.toThrow(/etcd-0 did not answer the TLS handshake in time/);
    expect(ours.destroyed).toBe(true);
  });

  it('fails when the stream is closed', async () => {
    const [ours, theirs] = streams();
    theirs.once('data', () => theirs.destroy());
    const connecting = EtcdClient.connect(() => Promise.resolve(ours), tls, { member: POD });
    await expect(connecting).rejects.toBeInstanceOf(DatastoreError);
  });

  it('fails with the reason of the signal', async () => {
    const [ours] = streams();
    const reason = new Error('no time left');
    const connecting = EtcdClient.connect(() => Promise.resolve(ours), tls, {
      member: POD,
      signal: AbortSignal.abort(reason),
    });
    await expect(connecting).rejects.toBe(reason);
    expect(ours.destroyed).toBe(true);
  });

  it.each([
    ['is kine', 'cluster and leader are zero', Buffer.alloc(0), NoUsableMemberError, /is kine, not etcd/],
    [
      'is something else',
      'the answer is no protobuf',
      Buffer.from([0xff]),
      DatastoreError,
      /does not answer as etcd does/,
    ],
  ])('%s when %s', async (_, __, answer, type, message) => {
    const server = await serveGrpc(authority, (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers({ 'grpc-status': '0' });
      });
      stream.end(encodeFrame(answer));
    });
    const client = await EtcdClient.connect(server.open, tls, { member: POD });
    const asking = client.status();
    await expect(asking).rejects.toBeInstanceOf(type);
    await expect(asking).rejects.toThrow(message);
    await client.close();
    await server.stop();
  });

  it.each([
    ['in headers alone', 'trailers-only'],
    ['after the messages', 'trailers'],
  ])('is told apart by a status %s, in our words', async (_, place) => {
    const status = { 'grpc-status': '14', 'grpc-message': 'etcdserver%3A no leader' };
    const server = await serveGrpc(authority, (stream) => {
      if (place === 'trailers-only') {
        stream.respond({ ':status': 200, ...status }, { endStream: true });
        return;
      }
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers(status);
      });
      stream.end();
    });
    const client = await EtcdClient.connect(server.open, tls, { member: POD });
    await expect(client.status()).rejects.toThrow(
      'etcd member etcd-0 did not answer Maintenance.Status: it knows no leader',
    );
    await client.close();
    await server.stop();
  });
});

/** An HTTP/2 server with a certificate for localhost, for answers that no etcd gives. */
async function serveGrpc(
  authority: KeyPair,
  answer: (stream: ServerHttp2Stream) => void,
): Promise<{ open: () => Promise<Duplex>; stop: () => Promise<void> }> {
  const { certificate, key } = issueCertificate(authority, { commonName: 'server', dnsNames: ['localhost'] });
  const server = createSecureServer({ cert: certificate, key });
  server.on('stream', answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    open: async () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    stop: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

type Printed = Record<string, unknown> & { header?: Record<string, unknown> };
