import { ProtobufFields } from './protobuf-fields.ts';
import { PageFault, type TreePage } from './tree-page.ts';

const KEY_FIELD = 1;
const VALUE_FIELD = 5;

/** Where key and value of the entry that was located last are, in the view of its page. */
export class KeyValueRanges {
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #fields = new ProtobufFields();

  /** Finds both in the mvccpb.KeyValue of a leaf's entry; PageFault when it is none. The one that `--bump-revision` adds is empty. */
  locate(leaf: TreePage, index: number): void {
    if (leaf.isBucket(index)) throw new PageFault(`entry ${index} is a bucket where etcd keeps values`);
    const fields = this.#fields;
    const end = leaf.valueEnd(index);
    this.keyStart = this.keyEnd = this.valueStart = this.valueEnd = end;
    fields.begin(leaf.view, leaf.keyEnd(index), end);
    while (fields.next()) {
      if (fields.field !== KEY_FIELD && fields.field !== VALUE_FIELD) continue;
      if (!fields.isBytes) throw new PageFault(`entry ${index} is not a key and its value`);
      if (fields.field === KEY_FIELD) {
        this.keyStart = fields.start;
        this.keyEnd = fields.end;
      } else {
        this.valueStart = fields.start;
        this.valueEnd = fields.end;
      }
    }
    if (fields.malformed) throw new PageFault(`entry ${index} is not a key and its value`);
  }
}
