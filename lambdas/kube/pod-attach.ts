import { Writable } from 'node:stream';
import { AttachChannels } from './attach-channels.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { LARGEST_WRITE_BYTES, openPodStream, PodSocket, type PodSocketOptions } from './pod-socket.ts';
import { errorForRuntimeText, tunnelError, type PodRoute } from './tunnel-failure.ts';

/** The running container whose standard input is meant. */
export interface AttachTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** An attachment is open when the node's container runtime has taken it. */
export type AttachOptions = PodSocketOptions;

/**
 * A container's standard input. The protocol has no half-close: the container must know how many bytes to read, e.g. by
 * `head -c`, and end by itself. So `end` waits until it has ended; `finish` and the end of a pipeline mean that as well.
 * The stream's errors, also when the container ends before it has taken all: TunnelError, PermissionError, KubeconfigError,
 * ClusterUnreachableError, or the signal's reason.
 */
export interface PodAttach extends Writable {
  /**
   * Resolves when the runtime says that the container has ended (not with which exit code, which its pod tells); rejects
   * with the stream's error. This, the stream's `error` or both may be left unheard.
   */
  readonly finished: Promise<void>;
  /** The end of its standard output, at the most 8 KiB. */
  readonly stdout: string;
  /** The end of its standard error, at the most 8 KiB. */
  readonly stderr: string;
}

/**
 * Attaches to a running container that was made with `stdin: true`, through the API server. The stream carries
 * back-pressure and is never reconnected: nobody knows what of it has arrived. The caller ends or destroys it.
 */
export async function openPodAttach(
  access: ClusterAccess,
  target: AttachTarget,
  options: AttachOptions = {},
): Promise<PodAttach> {
  return openPodStream(
    access,
    options,
    (authentication) => new ContainerInput(access, authentication, target, options),
  );
}

class ContainerInput extends Writable implements PodAttach {
  readonly finished: Promise<void>;
  readonly #route: PodRoute;
  readonly #socket: PodSocket;
  readonly #channels = new AttachChannels();
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void };
  #containerEnded = false;
  #finish: (() => void) | undefined;

  constructor(
    access: ClusterAccess,
    authentication: Readonly<Record<string, string>>,
    { namespace, pod, container }: AttachTarget,
    options: AttachOptions,
  ) {
    super({ highWaterMark: LARGEST_WRITE_BYTES });
    const description = `attaching to container "${container}" of pod "${namespace}/${pod}"`;
    this.#route = { namespace, pod, subresource: 'attach', description };
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.finished = promise;
    this.#settle = {
      resolve: () => {
        resolve(undefined);
      },
      reject,
    };
    // Each tells what the other does, and who hears one of them may leave the other unheard.
    promise.catch(() => undefined);
    this.on('error', () => undefined);
    const query = new URLSearchParams({ container, stdin: 'true', stdout: 'true', stderr: 'true' });
    this.#socket = new PodSocket(access, authentication, this.#route, query, options, {
      connected: () => {
        this.#socket.markOpened();
        this.emit('opened');
      },
      received: (message) => {
        this.#receive(message);
      },
      closed: () => {
        if (!this.#containerEnded) this.#fail('the connection was closed from the other side');
      },
      failed: (error) => {
        this.destroy(error);
      },
    });
  }

  get stdout(): string {
    return this.#channels.stdout;
  }

  get stderr(): string {
    return this.#channels.stderr;
  }

  #receive(message: Buffer): void {
    if (this.destroyed) return;
    if (!this.#channels.read(message)) {
      this.#fail('the answer is not that of an attached container');
      return;
    }
    const { status } = this.#channels;
    if (status === undefined) return;
    if (!status.succeeded) {
      this.destroy(errorForRuntimeText(this.#route, status.message));
      return;
    }
    this.#containerEnded = true;
    this.#settle.resolve();
    this.#finish?.();
  }

  #fail(why: string): void {
    this.destroy(tunnelError(this.#route, why));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    const endedEarly = (): Error => tunnelError(this.#route, 'the container ended before it had taken all');
    if (this.#containerEnded) {
      callback(endedEarly());
      return;
    }
    this.#socket.write(chunk, (error) => {
      callback(error !== undefined && this.#containerEnded ? endedEarly() : error);
    });
  }

  override _final(callback: () => void): void {
    if (this.#containerEnded) callback();
    else this.#finish = callback;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#settle.reject(error ?? tunnelError(this.#route, 'it was given up before the container had ended'));
    this.#socket.end(error !== null, () => {
      callback(error);
    });
  }
}
