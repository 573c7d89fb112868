/** A release, as Kubernetes, its distributions and etcd number them. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

const VERSION = /^v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+].*)?$/;

/** Reads `1.31.2`, `v1.31.2`, `3.6`, `4.21.3-rc.1` and `v1.31.2+k3s1`; undefined for what is none of this form. */
export function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch = '0'] = VERSION.exec(text.trim()) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Whether a version's first two numbers are higher than another's; undefined when one of them can't be read. */
export function isNewerMinor(version: string, than: string): boolean | undefined {
  const [one, other] = [parseVersion(version), parseVersion(than)];
  if (one === undefined || other === undefined) return undefined;
  return one.major > other.major || (one.major === other.major && one.minor > other.minor);
}

/** Whether it can be told which of two versions is newer. */
export function isComparable(version: string, other: string | null): boolean {
  return other !== null && isNewerMinor(version, other) !== undefined;
}
