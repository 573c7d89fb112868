/** Usage: take <control plane> <key>. The snapshot function alone, into the store of `lifeboat.yaml`; nothing is read back. */
import { takeSnapshot } from '../../../lambdas/datastores/etcd/take-snapshot.ts';
import { measure } from './control-plane.ts';

const key = process.argv[3] ?? '';

await measure(async ({ ports, workload, reach }) => {
  await takeSnapshot(workload, {
    ...reach,
    beginUpload: (expectedSizeBytes) => ports.store.beginUpload(key, { ifAbsent: true, expectedSizeBytes }),
  });
});
