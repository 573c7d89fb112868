// X.509 certificates for the test bed's clusters, and for tests that need one that is expired, of another authority, or
// of a user with few rights. Node signs but does not write certificates; the little DER that they need is written here,
// because every package that writes them brings a dozen others and a polyfill. ECDSA P-256 throughout: a key takes
// under a millisecond, RSA a good part of a second.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate with its private key (PKCS #8), both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes reads these as groups of a client certificate. */
  readonly organizations?: readonly string[];
  /** With DNS names or IPv4 addresses the certificate is a server's too (etcd peers need both uses), else a client's. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Default: valid since an hour ago, for a year. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const HOUR_MILLISECONDS = 60 * 60 * 1000;
const YEAR_MILLISECONDS = 365 * 24 * HOUR_MILLISECONDS;

/** One DER element: tag, length, contents. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const hex = body.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

const sequence = (...items: readonly Uint8Array[]): Buffer => der(0x30, ...items);
const set = (...items: readonly Uint8Array[]): Buffer => der(0x31, ...items);
const utf8String = (text: string): Buffer => der(0x0c, Buffer.from(text));
const boolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
const octetString = (contents: Uint8Array): Buffer => der(0x04, contents);
const bitString = (contents: Uint8Array, unusedBits = 0): Buffer => der(0x03, Buffer.from([unusedBits]), contents);
/** RFC 5280, section 4.1.2.5.1: the form for dates before 2050. */
const utcTime = (date: Date): Buffer =>
  der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));

function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let high = arc >>> 7; high > 0; high >>>= 7) groups.unshift(0x80 | (high & 0x7f));
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';
const SERVER_USE = '1.3.6.1.5.5.7.3.1';
const CLIENT_USE = '1.3.6.1.5.5.7.3.2';
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

function distinguishedName(commonName: string, organizations: readonly string[] = []): Buffer {
  const attribute = (type: string, value: string): Buffer => set(sequence(objectIdentifier(type), utf8String(value)));
  return sequence(...organizations.map((name) => attribute(ORGANIZATION, name)), attribute(COMMON_NAME, commonName));
}

function extension(identifier: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(identifier), ...(critical ? [boolean(true)] : []), octetString(value));
}

// RFC 5280, section 4.2.1.3: digitalSignature is bit 0, keyCertSign bit 5, cRLSign bit 6.
const SIGNING_USE = extension('2.5.29.15', true, bitString(Buffer.from([0b1000_0000]), 7));
const AUTHORITY_USE = extension('2.5.29.15', true, bitString(Buffer.from([0b0000_0110]), 1));
const IS_AUTHORITY = extension('2.5.29.19', true, sequence(boolean(true)));

function extendedUse(...uses: readonly string[]): Buffer {
  return extension('2.5.29.37', false, sequence(...uses.map(objectIdentifier)));
}

function alternativeNames(dnsNames: readonly string[], ipAddresses: readonly string[]): Buffer {
  const names = dnsNames.map((name) => der(0x82, Buffer.from(name)));
  const addresses = ipAddresses.map((address) => {
    if (!isIPv4(address)) throw new TypeError(`${address} is no IPv4 address`);
    return der(0x87, Buffer.from(address.split('.').map(Number)));
  });
  return extension('2.5.29.17', false, sequence(...names, ...addresses));
}

interface Contents {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

function signCertificate(contents: Contents, signingKey: KeyObject): string {
  const serial = randomBytes(16);
  // A first byte between 1 and 127 makes the number positive and its encoding the shortest.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const now = Date.now();
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    contents.issuer,
    sequence(
      utcTime(contents.notBefore ?? new Date(now - HOUR_MILLISECONDS)),
      utcTime(contents.notAfter ?? new Date(now + YEAR_MILLISECONDS)),
    ),
    contents.subject,
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...contents.extensions)),
  );
  const certificate = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, signingKey)));
  return new X509Certificate(certificate).toString();
}

function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function generateKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** The subject of a certificate as DER, byte by byte as its issuer wrote it: verifiers compare the bytes. */
function readSubject(certificate: string): Buffer {
  const { subject } = new X509Certificate(certificate);
  const values = (type: string): string[] =>
    subject.split('\n').flatMap((line) => (line.startsWith(`${type}=`) ? [line.slice(type.length + 1)] : []));
  return distinguishedName(values('CN').join(), values('O'));
}

/** A self-signed certificate authority. */
export function createAuthority(commonName: string): KeyPair {
  const { publicKey, privateKey } = generateKeys();
  const name = distinguishedName(commonName);
  const certificate = signCertificate(
    {
      issuer: name,
      subject: name,
      notBefore: undefined,
      notAfter: undefined,
      publicKey,
      extensions: [IS_AUTHORITY, AUTHORITY_USE],
    },
    privateKey,
  );
  return { certificate, key: privateKeyPem(privateKey) };
}

/** A certificate signed by an authority of {@link createAuthority}. */
export function issueCertificate(authority: KeyPair, request: CertificateRequest): KeyPair {
  const { publicKey, privateKey } = generateKeys();
  const { dnsNames = [], ipAddresses = [] } = request;
  const isServer = dnsNames.length + ipAddresses.length > 0;
  const certificate = signCertificate(
    {
      issuer: readSubject(authority.certificate),
      subject: distinguishedName(request.commonName, request.organizations),
      notBefore: request.notBefore,
      notAfter: request.notAfter,
      publicKey,
      extensions: isServer
        ? [SIGNING_USE, extendedUse(SERVER_USE, CLIENT_USE), alternativeNames(dnsNames, ipAddresses)]
        : [SIGNING_USE, extendedUse(CLIENT_USE)],
    },
    createPrivateKey(authority.key),
  );
  return { certificate, key: privateKeyPem(privateKey) };
}

/** A key pair for signing service-account tokens: `key` PKCS #8, `publicKey` SPKI, both PEM. */
export function createSigningKey(): { key: string; publicKey: string } {
  const { publicKey, privateKey } = generateKeys();
  return { key: privateKeyPem(privateKey), publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}
