import { TunnelError, type LifeboatError } from '../domain/errors.ts';
import { errorForConnection, errorForStatus } from './api-failure.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { readTlsFailure } from './connection-failure.ts';

/** A WebSocket to a pod in the words of errors and of RBAC. */
export interface PodRoute {
  readonly namespace: string;
  readonly pod: string;
  readonly subresource: 'attach' | 'portforward';
  /** The beginning of a sentence: `the tunnel to port 2379 of pod "clusters-prod/etcd-0"`. */
  readonly description: string;
}

// What the node's container runtime writes on the error channel. It holds paths of the node, so only its meaning is kept.
const RUNTIME_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/container is in \w+ state|not created or running/i, 'the container is not running'],
  [/connection refused/i, 'nothing listens on the port inside the pod'],
  [/not running|no running|network namespace.*closed|sandbox.*(stopped|not ready)/i, 'the pod is not running'],
  [/not found|does not exist|no such/i, 'the pod is gone'],
  [/timed? ?out|deadline/i, 'connecting inside the pod timed out'],
  [/reset by peer|broken pipe/i, 'the connection inside the pod was cut'],
];

// What a refused handshake means, and what the runtime can't do when it does not say why.
const REFUSALS = {
  portforward: {
    gone: 'the pod does not exist',
    impossible: 'the pod is not on a node yet, or the port cannot be forwarded',
    unreachable: "the API server could not reach the pod's node",
    unknown: "the node's container runtime could not forward the port",
  },
  attach: {
    gone: 'the pod or its container does not exist',
    impossible: 'the pod is not on a node yet, or has no such container',
    unreachable: "the container is not running, or the API server could not reach the pod's node",
    unknown: "the node's container runtime could not attach to it",
  },
} as const;

/** A tunnel's error; `why` is the end of the sentence. */
export function tunnelError({ description }: PodRoute, why: string, cause?: unknown): TunnelError {
  return new TunnelError(`${description} failed: ${why}`, {
    remedy: 'See whether the pod is running and ready and its node healthy, then try again.',
    cause,
  });
}

/** The error for text on the error channel, which ends the tunnel whatever it says. */
export function errorForRuntimeText(route: PodRoute, text: string): TunnelError {
  const known = RUNTIME_TEXTS.find(([pattern]) => pattern.test(text));
  return tunnelError(route, known?.[1] ?? REFUSALS[route.subresource].unknown);
}

/** The error for a handshake that the API server answered with something other than 101. */
export function errorForHandshake(status: number, route: PodRoute, access: ClusterAccess): LifeboatError {
  const { gone, impossible, unreachable } = REFUSALS[route.subresource];
  if (status === 404) return tunnelError(route, gone);
  if (status === 400) return tunnelError(route, `${impossible} (400)`);
  if (status >= 500) return tunnelError(route, `${unreachable} (${status})`);
  return errorForStatus(
    status,
    {
      // From Kubernetes 1.35 a WebSocket needs `create` besides `get`, which is what its GET means by itself (KEP-4006).
      verbs: ['get', 'create'],
      group: '',
      resource: `pods/${route.subresource}`,
      namespace: route.namespace,
      name: route.pod,
    },
    access,
  );
}

/** The error for a connection that broke: before it was open the API server is to blame, afterwards anybody on the way. */
export function errorForBrokenTunnel(
  error: unknown,
  opened: boolean,
  route: PodRoute,
  access: ClusterAccess,
): LifeboatError {
  if (!opened || readTlsFailure(error) !== undefined) return errorForConnection(error, false, access);
  return tunnelError(route, 'the connection was cut', error);
}
