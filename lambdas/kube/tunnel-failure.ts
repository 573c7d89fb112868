import { TunnelError, type LifeboatError } from '../domain/errors.ts';
import { errorForConnection, errorForStatus } from './api-failure.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { readTlsFailure } from './connection-failure.ts';

/** The port of the pod that a tunnel leads to. */
export interface PodTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

// What the node's container runtime writes on the error channel. It holds paths of the node, so only its meaning is kept.
const RUNTIME_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/connection refused/i, 'nothing listens on the port inside the pod'],
  [/not running|no running|network namespace.*closed|sandbox.*(stopped|not ready)/i, 'the pod is not running'],
  [/not found|does not exist|no such/i, 'the pod is gone'],
  [/timed? ?out|deadline/i, 'connecting inside the pod timed out'],
  [/reset by peer|broken pipe/i, 'the connection inside the pod was cut'],
];

/** A tunnel's error; `why` is the end of the sentence. */
export function tunnelError(target: PodTarget, why: string, cause?: unknown): TunnelError {
  return new TunnelError(
    `the tunnel to port ${target.port} of pod "${target.namespace}/${target.pod}" failed: ${why}`,
    {
      remedy: 'See whether the pod is running and ready and its node healthy, then try again.',
      cause,
    },
  );
}

/** The error for text on the error channel, which ends the tunnel whatever it says. */
export function errorForRuntimeText(target: PodTarget, text: string): TunnelError {
  const known = RUNTIME_TEXTS.find(([pattern]) => pattern.test(text));
  return tunnelError(target, known?.[1] ?? "the node's container runtime could not forward the port");
}

/** The error for a handshake that the API server answered with something other than 101. */
export function errorForHandshake(status: number, target: PodTarget, access: ClusterAccess): LifeboatError {
  if (status === 404) return tunnelError(target, 'the pod does not exist');
  if (status === 400) return tunnelError(target, 'the pod is not on a node yet, or the port cannot be forwarded (400)');
  if (status >= 500) return tunnelError(target, `the API server could not reach the pod's node (${status})`);
  return errorForStatus(
    status,
    {
      // From Kubernetes 1.35 a WebSocket needs `create` besides `get`, which is what its GET means by itself (KEP-4006).
      verbs: ['get', 'create'],
      group: '',
      resource: 'pods/portforward',
      namespace: target.namespace,
      name: target.pod,
    },
    access,
  );
}

/** The error for a connection that broke: before it was open the API server is to blame, afterwards anybody on the way. */
export function errorForBrokenTunnel(
  error: unknown,
  opened: boolean,
  target: PodTarget,
  access: ClusterAccess,
): LifeboatError {
  if (!opened || readTlsFailure(error) !== undefined) return errorForConnection(error, false, access);
  return tunnelError(target, 'the connection was cut', error);
}
