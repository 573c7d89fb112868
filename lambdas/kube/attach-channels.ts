import * as z from 'zod';
import { parseJson } from './json.ts';

// pkg/cri/streaming/remotecommand of Kubernetes. A message for the input's channel, or for one of a terminal, is not for us.
const STDOUT_CHANNEL = 1;
const STDERR_CHANNEL = 2;
const STATUS_CHANNEL = 3;

const KEPT_OUTPUT_BYTES = 8 * 1024;
// A Status of the runtime has some hundred bytes; what is longer is none.
const LONGEST_STATUS_BYTES = 64 * 1024;

const statusSchema = z.looseObject({ status: z.enum(['Success', 'Failure']), message: z.string().default('') });

/** How the runtime ended the attachment; success says nothing of the container's exit code. */
export interface AttachStatus {
  readonly succeeded: boolean;
  /** The runtime's own text, which may hold paths of the node. */
  readonly message: string;
}

/** What comes from an attached container in the subprotocol `v4.channel.k8s.io`; of its output only the end is kept. */
export class AttachChannels {
  #stdout = Buffer.alloc(0);
  #stderr = Buffer.alloc(0);
  #status = Buffer.alloc(0);

  /** False for a message that is not of this protocol. */
  read(message: Buffer): boolean {
    const payload = message.subarray(1);
    switch (message[0]) {
      case STDOUT_CHANNEL:
        this.#stdout = Buffer.concat([this.#stdout, payload]).subarray(-KEPT_OUTPUT_BYTES);
        return true;
      case STDERR_CHANNEL:
        this.#stderr = Buffer.concat([this.#stderr, payload]).subarray(-KEPT_OUTPUT_BYTES);
        return true;
      case STATUS_CHANNEL:
        this.#status = Buffer.concat([this.#status, payload]);
        return this.#status.length <= LONGEST_STATUS_BYTES;
      default:
        return false;
    }
  }

  /** undefined until it has come whole. */
  get status(): AttachStatus | undefined {
    const parsed = statusSchema.safeParse(parseJson(this.#status.toString('utf8')));
    return parsed.success ? { succeeded: parsed.data.status === 'Success', message: parsed.data.message } : undefined;
  }

  /** The last 8 KiB. */
  get stdout(): string {
    return this.#stdout.toString('utf8');
  }

  /** The last 8 KiB. */
  get stderr(): string {
    return this.#stderr.toString('utf8');
  }
}
