/** Every message starts with the number of its channel; the server chooses this subprotocol or none. */
export const SUBPROTOCOL = 'v4.channel.k8s.io';

/** What goes into the pod: the bytes of a forwarded port, or a container's standard input. */
const INBOUND_CHANNEL = 0;

/** A message for the server with a part of what goes into the pod. */
export function inboundMessage(payload: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(1 + payload.length);
  message[0] = INBOUND_CHANNEL;
  message.set(payload, 1);
  return message;
}
