import type { Ports } from '../local/ports.ts';
import type { CommandResult } from './result.ts';

/** `lifeboat pin <point>` and `lifeboat unpin <point>`: whether retention may touch it. */
export async function pin(ports: Ports, reference: string, pinned: boolean): Promise<CommandResult> {
  const { address } = await ports.findPoint(reference);
  await ports.catalogue.pin(address, pinned);
  return {
    json: { id: address.id, pinned },
    text: `${address.id} is ${pinned ? 'pinned: retention keeps it' : 'not pinned'}`,
  };
}
