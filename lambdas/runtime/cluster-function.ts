import type { Purpose } from '../domain/purpose.ts';
import { cachedKubeconfigs } from '../kube/cached-kubeconfigs.ts';
import { openConnections } from '../kube/connections.ts';
import type { ClusterAccesses } from '../kube/management-cluster-access.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import type { Step } from '../step.ts';
import { deployedAccesses } from './cluster-accesses.ts';
import { lambdaFunction, type Invocation, type LambdaFunction, type OpenPorts } from './function.ts';
import { openPublishingPorts } from './publishing-function.ts';

/** A function of a step that talks to management clusters, with the account and the journal for a purpose. */
export function clusterFunction<Input, Output>(
  step: Step<Input, Output, ClusterRunPorts>,
  purpose: Purpose,
): LambdaFunction<Output> {
  return lambdaFunction(step, (invocation) => openClusterPorts(invocation, purpose));
}

/** Connections end with the invocation: a function that is frozen would find them dead. */
async function openClusterPorts(invocation: Invocation, purpose: Purpose): Promise<OpenPorts<ClusterRunPorts>> {
  const runPorts = await openPublishingPorts(invocation, purpose);
  const accesses = deployedAccesses(runPorts.configuration, purpose);
  const { connect, close } = openConnections(remembered(accesses));
  // Written in by the bundler.
  const toolVersion = process.env['LIFEBOAT_VERSION'] ?? 'unknown';
  return {
    ports: {
      ...runPorts,
      connect,
      restoreCredentialsEndAt: (managementCluster) => accesses.restoreCredentialsEndAt(managementCluster),
      random: Math.random,
      toolVersion,
    },
    close,
  };
}

let kept: ClusterAccesses | undefined;

/** Kubeconfigs outlive the invocation, for a few minutes. */
function remembered(accesses: ClusterAccesses): ClusterAccesses {
  kept ??= cachedKubeconfigs(accesses, () => new Date());
  return kept;
}
