import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { createAuthority, createSigningKey, issueCertificate, type KeyPair } from '../certificates.ts';
import { renderKubeconfig } from '../kubeconfig.ts';
import type { KubeApi } from './api.ts';
import { converge, ownedMetadata, type Holdings } from './converge.ts';
import { CONFIG_MAP, SECRET, type ControlPlaneObject, type SecretObject } from './resources.ts';
import { CLIENT_SIGNERS, issuedFor, SIGNERS, type LeafPlan, type SignerName } from './signers.ts';

const ISSUED_FOR_ANNOTATION = 'twin.hypershift.openshift.io/issued-for';

export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** One value of a Secret as text; empty when it is not there. */
export function secretText(secret: SecretObject | undefined, key: string): string {
  return Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
}

/** Secrets and ConfigMaps of one control plane's PKI, made and kept as the real operator does. */
export class Pki {
  readonly #api: KubeApi;
  readonly #owner: ControlPlaneObject;
  readonly #holdings: Holdings;
  readonly #namespace: string;

  constructor(api: KubeApi, owner: ControlPlaneObject, holdings: Holdings, namespace: string) {
    this.#api = api;
    this.#owner = owner;
    this.#holdings = holdings;
    this.#namespace = namespace;
  }

  /**
   * Signers, service-account key and kubeadmin password: made only where missing, so that restored ones are adopted. A
   * signing key that the HostedCluster brings itself is taken instead of one made here.
   */
  async ensureIdentity(ownSigningKey: string | undefined): Promise<void> {
    for (const name of SIGNERS) {
      await this.#once(name, ['ca.crt', 'ca.key'], () => {
        const { certificate, key } = createAuthority(name);
        return { 'ca.crt': certificate, 'ca.key': key, 'tls.crt': certificate, 'tls.key': key };
      });
    }
    if (ownSigningKey === undefined) {
      await this.#once('sa-signing-key', ['service-account.key', 'service-account.pub'], () => {
        const { key, publicKey } = createSigningKey();
        return { 'service-account.key': key, 'service-account.pub': publicKey };
      });
    } else {
      const publicKey = createPublicKey(ownSigningKey).export({ type: 'spki', format: 'pem' }).toString();
      await this.putSecret('sa-signing-key', {
        'service-account.key': ownSigningKey,
        'service-account.pub': publicKey,
      });
    }
    await this.#once('kubeadmin-password', ['password'], () => {
      const parts = randomBytes(15).toString('hex').slice(0, 20).match(/.{5}/g) ?? [];
      return { password: parts.join('-') };
    });
    await this.#bundle('root-ca', ['root-ca']);
    await this.#bundle('etcd-ca', ['etcd-signer']);
    await this.#bundle('etcd-metrics-ca', ['etcd-metrics-signer']);
    await this.#bundle('client-ca', CLIENT_SIGNERS);
    await this.#bundle('aggregator-client-ca', ['kas-aggregator-client-signer']);
  }

  async ensureLeaf(plan: LeafPlan): Promise<void> {
    const signer = this.#signer(plan.signer);
    const annotations = { [ISSUED_FOR_ANNOTATION]: issuedFor(plan, signer.certificate) };
    const held = this.#holdings.secrets.get(plan.secret);
    const reusable =
      held?.metadata.annotations?.[ISSUED_FOR_ANNOTATION] === annotations[ISSUED_FOR_ANNOTATION] &&
      secretText(held, plan.privateKeyKey) !== '';
    if (reusable) return;
    const { certificate, key } = issueCertificate(signer, plan.subject);
    await this.putSecret(plan.secret, { [plan.certificateKey]: certificate, [plan.privateKeyKey]: key }, annotations);
  }

  /** A kubeconfig that authenticates with the client certificate of a leaf issued before. */
  kubeconfig(leafSecret: string, user: string, server: string): string {
    const leaf = this.#holdings.secrets.get(leafSecret);
    return renderKubeconfig({
      cluster: this.#owner.metadata.name,
      user,
      server,
      certificateAuthority: this.#signer('root-ca').certificate,
      client: { certificate: secretText(leaf, 'tls.crt'), key: secretText(leaf, 'tls.key') },
    });
  }

  async putSecret(
    name: string,
    texts: Record<string, string>,
    annotations: Record<string, string> = {},
  ): Promise<void> {
    const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, encode(text)]));
    const metadata = { ...ownedMetadata(this.#owner, this.#namespace, name), annotations };
    const secret: SecretObject = { apiVersion: 'v1', kind: 'Secret', metadata, data };
    await converge(this.#api, SECRET, this.#holdings.secrets, secret);
  }

  /** Changes whenever one of the Secrets and ConfigMaps that a pod mounts changes, so that the pod is replaced then. */
  hashOf(secrets: readonly string[], configMaps: readonly string[]): string {
    const hash = createHash('sha256');
    for (const name of secrets) hash.update(JSON.stringify(this.#holdings.secrets.get(name)?.data ?? {}));
    for (const name of configMaps) hash.update(JSON.stringify(this.#holdings.configMaps.get(name)?.data ?? {}));
    return hash.digest('hex').slice(0, 16);
  }

  #signer(name: SignerName): KeyPair {
    const secret = this.#holdings.secrets.get(name);
    return { certificate: secretText(secret, 'ca.crt'), key: secretText(secret, 'ca.key') };
  }

  async #once(name: string, keys: readonly string[], make: () => Record<string, string>): Promise<void> {
    const held = this.#holdings.secrets.get(name);
    const complete = keys.every((key) => secretText(held, key) !== '');
    const kept = Object.keys(held?.data ?? {}).map((key) => [key, secretText(held, key)] as const);
    await this.putSecret(name, complete ? Object.fromEntries(kept) : make());
  }

  async #bundle(name: string, signers: readonly SignerName[]): Promise<void> {
    await converge(this.#api, CONFIG_MAP, this.#holdings.configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: ownedMetadata(this.#owner, this.#namespace, name),
      data: { 'ca.crt': signers.map((signer) => this.#signer(signer).certificate).join('') },
    });
  }
}
