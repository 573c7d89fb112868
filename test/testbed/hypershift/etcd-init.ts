import { BUSYBOX_IMAGE } from '../images.ts';
import type { PodPlan } from './pod-template.ts';

/**
 * As the real etcd-init does before PR 9048: a member whose data directory is empty is filled from the URL, by
 * `snapshot restore` with nothing but the directory, so it is a cluster of its own. The real image has a shell and curl, which a
 * first container lends to ours; it ends without `-f`, and this one with an error, when the URL is refused.
 */
const INIT_SCRIPT = `
if [ -n "$(/tools/busybox ls -A /var/lib/data 2> /dev/null)" ]; then exit 0; fi
/tools/busybox wget -q --no-check-certificate -O /tools/snapshot "$RESTORE_URL_ETCD"
etcdutl snapshot restore /tools/snapshot --data-dir=/var/lib/data
`;
const TOOLS = { name: 'tools', mountPath: '/tools' };

/** What fills an empty member from a URL before its etcd starts. */
export function etcdInit(image: string, url: string): NonNullable<PodPlan['init']> {
  return {
    volume: { name: TOOLS.name, emptyDir: {} },
    containers: [
      {
        name: 'etcd-init-tools',
        image: BUSYBOX_IMAGE,
        imagePullPolicy: 'Never',
        command: ['busybox', 'cp', '/bin/busybox', '/tools/busybox'],
        volumeMounts: [TOOLS],
      },
      {
        name: 'etcd-init',
        image,
        imagePullPolicy: 'Never',
        command: ['/tools/busybox', 'sh', '-ce', INIT_SCRIPT],
        env: [{ name: 'RESTORE_URL_ETCD', value: url }],
        volumeMounts: [TOOLS, { name: 'data', mountPath: '/var/lib' }],
      },
    ],
  };
}
