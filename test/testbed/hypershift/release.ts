import type { EtcdVersion } from '../etcd.ts';

/** The release images that a hosted cluster of the twin may name; the tag alone decides. */
export const RELEASE_IMAGES: Readonly<Record<EtcdVersion, string>> = {
  '3.5.21': 'ocp-release:4.20.8-x86_64',
  '3.6.5': 'ocp-release:4.21.3-x86_64',
};

export interface Release {
  /** What the hosted cluster reports as its version, e.g. `4.21.3`. */
  readonly version: string;
  readonly etcdVersion: EtcdVersion;
}

/** Reads the release from an image's tag: 4.21 and later run etcd 3.6, earlier ones 3.5, as the real releases do. */
export function parseRelease(image: string): Release {
  const match = /:((\d+)\.(\d+)\.\d+)/.exec(image);
  if (match?.[1] === undefined) throw new Error(`release image ${image} carries no version in its tag`);
  const [major, minor] = [Number(match[2]), Number(match[3])];
  return { version: match[1], etcdVersion: major > 4 || minor >= 21 ? '3.6.5' : '3.5.21' };
}
