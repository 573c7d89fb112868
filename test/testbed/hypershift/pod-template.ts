import { GO_ENVIRONMENT } from '../process.ts';
import type { PodTemplate, Volume, VolumeMount } from './resources.ts';

/** Secrets and ConfigMaps that a container sees as directories: name to path. */
interface Mounts {
  readonly secrets: Readonly<Record<string, string>>;
  readonly configMaps?: Readonly<Record<string, string>>;
}

interface ProbePlan {
  readonly path: string;
  readonly port: number;
  readonly scheme: 'HTTP' | 'HTTPS';
  /** Whether a container that fails the probe for long is restarted. */
  readonly restarts: boolean;
}

export interface PodPlan {
  readonly component: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly mounts: Mounts;
  readonly extraVolumeMounts?: readonly VolumeMount[];
  readonly init?: {
    readonly containers: NonNullable<NonNullable<PodTemplate['spec']>['initContainers']>;
    readonly volume: Volume;
  };
  readonly ports?: Readonly<Record<string, number>>;
  readonly probe: ProbePlan;
  readonly configHash: string;
}

function volumes({ secrets, configMaps = {} }: Mounts): { volumes: Volume[]; mounts: VolumeMount[] } {
  // A Secret and a ConfigMap may share a name (root-ca), so the volume's name says which it is.
  const entries = [
    ...Object.entries(secrets).map(([name, path]) => ({
      volume: { name: `secret-${name}`, secret: { secretName: name } },
      path,
    })),
    ...Object.entries(configMaps).map(([name, path]) => ({
      volume: { name: `config-${name}`, configMap: { name } },
      path,
    })),
  ];
  return {
    volumes: entries.map(({ volume }) => volume),
    mounts: entries.map(({ volume, path }) => ({ name: volume.name, mountPath: path, readOnly: true })),
  };
}

/** The one-container pod of a control plane's component. `$(POD_NAME)` and `$(POD_IP)` may be used in its command. */
export function podTemplate(plan: PodPlan): PodTemplate {
  const { volumes: mountedVolumes, mounts } = volumes(plan.mounts);
  const httpGet = { path: plan.probe.path, port: plan.probe.port, scheme: plan.probe.scheme };
  return {
    metadata: {
      labels: { app: plan.component, 'hypershift.openshift.io/control-plane-component': plan.component },
      annotations: { 'component.hypershift.openshift.io/config-hash': plan.configHash },
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // Shorter than the real ones have: a namespace's deletion waits in steps of half the longest of its pods.
      terminationGracePeriodSeconds: 10,
      volumes: [...mountedVolumes, ...(plan.init === undefined ? [] : [plan.init.volume])],
      ...(plan.init === undefined ? {} : { initContainers: plan.init.containers }),
      containers: [
        {
          name: plan.component,
          image: plan.image,
          imagePullPolicy: 'Never',
          command: [...plan.command],
          env: [
            { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            ...Object.entries(GO_ENVIRONMENT).map(([name, value]) => ({ name, value })),
          ],
          ports: Object.entries(plan.ports ?? {}).map(([name, containerPort]) => ({ name, containerPort })),
          volumeMounts: [...mounts, ...(plan.extraVolumeMounts ?? [])],
          // Once it has started each look is a TLS handshake, which many control planes have no processor for.
          readinessProbe: plan.probe.restarts
            ? { httpGet, periodSeconds: 3, timeoutSeconds: 5, failureThreshold: 2 }
            : { httpGet, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3 },
          ...(plan.probe.restarts
            ? {
                startupProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 180 },
                livenessProbe: { httpGet, periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
              }
            : {}),
        },
      ],
    },
  };
}
