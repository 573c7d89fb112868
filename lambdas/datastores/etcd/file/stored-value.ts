import { bytesOf } from './bytes.ts';
import { ProtobufFields } from './protobuf-fields.ts';

/** `k8s\0`, before an object in protobuf, and `k8s:`, before an encrypted one, as big-endian numbers. */
const PROTOBUF_MAGIC = 0x6b387300;
const ENCRYPTED_MAGIC = 0x6b38733a;
/** `k8s:enc:<provider>:v<version>:<key or provider's name>:`, then the ciphertext. */
const HEADER = /^k8s:enc:([^:]+):v([0-9]+):([^:]*):/;
const LONGEST_HEADER_BYTES = 1024;
const LONGEST_KEY_ID_BYTES = 1024;
/** Field of the EncryptedObject that a KMS v2 value is. */
const KEY_ID_FIELD = 2;

/** How one value is encrypted at rest. */
export interface ValueEncryption {
  /** `aescbc`, `aesgcm`, `secretbox`, `kms-v1`, `kms-v2`, or `unrecognised`. */
  readonly provider: string;
  /** Name of the key, or of the KMS provider, in the API server's encryption configuration. */
  readonly key: string;
  /** The id that the KMS itself gave its key; with KMS v2 only. */
  readonly keyId?: string;
}

/** What an encrypted value is counted under when its form is not known. */
export const UNRECOGNISED: ValueEncryption = { provider: 'unrecognised', key: '' };

const fields = new ProtobufFields();

/** Whether a value begins as only the API server writes it. Custom resources are plain JSON and do not. */
export function isMarkedByKubernetes(view: DataView, start: number, end: number): boolean {
  if (end - start < 4) return false;
  const magic = view.getUint32(start);
  return magic === PROTOBUF_MAGIC || magic === ENCRYPTED_MAGIC;
}

/** How a value is encrypted, or undefined when it is not. */
export function encryptionOf(view: DataView, start: number, end: number): ValueEncryption | undefined {
  if (end - start < 4 || view.getUint32(start) !== ENCRYPTED_MAGIC) return undefined;
  const header = HEADER.exec(bytesOf(view, start, Math.min(end, start + LONGEST_HEADER_BYTES)).toString('latin1'));
  if (header === null) return UNRECOGNISED;
  const [whole, provider = '', version = '', key = ''] = header;
  if (provider !== 'kms') return { provider, key };
  if (version !== '2') return { provider: `kms-v${version}`, key };
  const keyId = keyIdOf(view, start + whole.length, end);
  return keyId === undefined ? { provider: 'kms-v2', key } : { provider: 'kms-v2', key, keyId };
}

function keyIdOf(view: DataView, start: number, end: number): string | undefined {
  fields.begin(view, start, end);
  while (fields.next()) {
    if (fields.field !== KEY_ID_FIELD || !fields.isBytes) continue;
    if (fields.end - fields.start > LONGEST_KEY_ID_BYTES) return undefined;
    return bytesOf(view, fields.start, fields.end).toString();
  }
  return undefined;
}
