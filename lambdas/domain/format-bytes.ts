const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `385.0 MiB`: binary units, as etcd and Kubernetes print sizes. */
export function formatBytes(sizeBytes: number): string {
  const power = sizeBytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(sizeBytes) / 10));
  return `${(sizeBytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`;
}
