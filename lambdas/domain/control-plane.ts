import { ConfigurationError } from './errors.ts';

/** The platforms that have a room under `lambdas/platforms`. */
export const PLATFORMS = ['hypershift'] as const;
export type PlatformName = (typeof PLATFORMS)[number];

/** One hosted control plane, written `<management cluster>/<namespace>/<name>`. */
export interface ControlPlaneName {
  readonly managementCluster: string;
  readonly namespace: string;
  readonly name: string;
}

// Kubernetes names are DNS-1123 subdomains; a management cluster's name is ours and follows the same rule, because both
// become parts of object keys and file paths.
const NAME_PART = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Parses `<management cluster>/<namespace>/<name>`; ConfigurationError says which part is wrong. */
export function parseControlPlaneName(text: string): ControlPlaneName {
  const parts = text.split('/');
  const [managementCluster, namespace, name] = parts;
  if (parts.length !== 3 || !managementCluster || !namespace || !name) {
    throw new ConfigurationError(`"${text}" does not name a control plane`, {
      remedy:
        'Write <management cluster>/<namespace>/<name>, e.g. mgmt-a/clusters/prod; "lifeboat discover" lists them.',
    });
  }
  for (const part of parts) {
    if (!isNamePart(part)) {
      throw new ConfigurationError(`"${part}" in "${text}" is not a valid Kubernetes name`, {
        remedy: 'Use lower-case letters, digits, "-" and "."; "lifeboat discover" lists the control planes.',
      });
    }
  }
  return { managementCluster, namespace, name };
}

/** Whether a text has the form that {@link parseControlPlaneName} takes. */
export function isControlPlaneName(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 3 && parts.every(isNamePart);
}

function isNamePart(part: string): boolean {
  return NAME_PART.test(part) && !part.includes('..');
}

/** The inverse of {@link parseControlPlaneName}. */
export function formatControlPlaneName(name: ControlPlaneName): string {
  return `${name.managementCluster}/${name.namespace}/${name.name}`;
}
