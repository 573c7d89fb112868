import { createPrivateKey, X509Certificate } from 'node:crypto';

/** The days between which a certificate is good, read once so that checking at every use costs nothing. */
export interface CertificateValidity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Reads the first certificate of a PEM text (the leaf of a chain). Throws when there is none. */
export function certificateValidity(pem: string): CertificateValidity {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return { notBefore: validFromDate, notAfter: validToDate };
}

/** What is wrong with using a certificate now, as the end of a sentence; undefined when nothing is. */
export function validityProblem(validity: CertificateValidity, now: Date): string | undefined {
  if (now > validity.notAfter) return `expired on ${validity.notAfter.toISOString()}`;
  if (now < validity.notBefore) return `is not valid before ${validity.notBefore.toISOString()}`;
  return undefined;
}

/** Whether a private key belongs to a certificate. Throws when the key can't be read. */
export function keyFits(certificatePem: string, keyPem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
}
