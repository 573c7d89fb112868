import * as z from 'zod';
import type { KubernetesObject } from '../../../domain/kubernetes-object.ts';

/** How far a helper pod has come. Reasons and messages are for people, of 500 characters of a container's text at most. */
export type PodProgress =
  | { readonly state: 'waiting'; readonly reason: string }
  | { readonly state: 'running'; readonly container: string }
  /** With what its last container says it did. */
  | { readonly state: 'succeeded'; readonly message: string }
  /** It can't begin, and only somebody or something else can change that, e.g. a node that gets room; it may go on then. */
  | Block
  /** It has ended for good. `exitCode` is null when no container ended by itself, e.g. at the deadline. */
  | { readonly state: 'failed'; readonly reason: string; readonly exitCode: number | null };

/** `container` is null when it has no node yet. `other` may pass by itself, the others last until somebody does something. */
export interface Block {
  readonly state: 'blocked';
  readonly reason: string;
  readonly cause: 'image' | 'configuration' | 'scheduling' | 'other';
  readonly container: string | null;
}

const LONGEST_QUOTE = 500;

// Waiting reasons of kubelet that are none of a container's normal life.
const BLOCKING = new Map<string, Block['cause']>([
  ['CreateContainerConfigError', 'configuration'],
  ['CreateContainerError', 'other'],
  ['ErrImageNeverPull', 'image'],
  ['ErrImagePull', 'image'],
  ['ImageInspectError', 'other'],
  ['ImagePullBackOff', 'image'],
  ['InvalidImageName', 'image'],
  ['RegistryUnavailable', 'other'],
  ['RunContainerError', 'other'],
]);

const text = z.string().optional();
const containersSchema = z
  .array(
    z.object({
      name: z.string(),
      state: z
        .object({
          waiting: z.object({ reason: text, message: text }).optional(),
          running: z.object({}).optional(),
          terminated: z.object({ exitCode: z.int(), reason: text, message: text }).optional(),
        })
        .optional(),
    }),
  )
  .default([]);
const statusSchema = z.object({
  phase: text,
  reason: text,
  message: text,
  conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: text, message: text })).default([]),
  initContainerStatuses: containersSchema,
  containerStatuses: containersSchema,
});
type PodStatus = z.infer<typeof statusSchema>;
type ContainerStatus = z.infer<typeof containersSchema>[number];

/** Reads how far a helper pod has come out of the pod as the API serves it. */
export function progressOf(pod: KubernetesObject): PodProgress {
  const status = statusSchema.parse(pod['status'] ?? {});
  const containers = [...status.initContainerStatuses, ...status.containerStatuses];
  if (status.phase === 'Succeeded') {
    return { state: 'succeeded', message: quote(containers.at(-1)?.state?.terminated?.message) };
  }
  // Whatever became of it, another one can be made as soon as it is gone.
  if (pod.metadata.deletionTimestamp !== undefined) {
    return { state: 'waiting', reason: `for its end, as it is being deleted${causeOf(status)}` };
  }
  return readFailure(status, containers) ?? readBlock(status, containers) ?? readStart(containers);
}

/** Whether any of its containers has run. */
export function hasBegun(pod: KubernetesObject): boolean {
  const { initContainerStatuses, containerStatuses } = statusSchema.parse(pod['status'] ?? {});
  return [...initContainerStatuses, ...containerStatuses].some(
    ({ state }) => state?.running !== undefined || state?.terminated !== undefined,
  );
}

/** Whether no container of it runs or will run any more. */
export function hasEnded(pod: KubernetesObject): boolean {
  const { phase } = statusSchema.parse(pod['status'] ?? {});
  return phase === 'Succeeded' || phase === 'Failed';
}

/** A container that ended badly counts before the pod's phase does: it is never started again, and the phase comes later. */
function readFailure({ phase, ...status }: PodStatus, containers: readonly ContainerStatus[]): PodProgress | undefined {
  const ended = containers.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  const terminated = ended?.state?.terminated;
  // At the deadline and when it is evicted kubelet ends the containers; then the pod's own reason is the first one.
  if (phase === 'Failed' && status.reason !== undefined) {
    return { state: 'failed', reason: sentence(status.reason, status.message), exitCode: null };
  }
  if (ended !== undefined && terminated !== undefined) {
    const { exitCode, reason = '', message } = terminated;
    const why = reason === '' || reason === 'Error' ? '' : ` (${reason})`;
    return {
      state: 'failed',
      reason: sentence(`container ${ended.name} ended with ${exitCode}${why}`, message),
      exitCode,
    };
  }
  return phase === 'Failed'
    ? { state: 'failed', reason: `the pod failed and does not say why${causeOf({ phase, ...status })}`, exitCode: null }
    : undefined;
}

function readBlock({ conditions }: PodStatus, containers: readonly ContainerStatus[]): PodProgress | undefined {
  const scheduling = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (scheduling !== undefined) {
    const reason = sentence(scheduling.reason ?? 'Unschedulable', scheduling.message);
    return { state: 'blocked', reason, cause: 'scheduling', container: null };
  }
  for (const { name, state } of containers) {
    const { reason = '', message } = state?.waiting ?? {};
    const cause = BLOCKING.get(reason);
    if (cause === undefined) continue;
    return { state: 'blocked', reason: sentence(`container ${name}: ${reason}`, message), cause, container: name };
  }
  return undefined;
}

function readStart(containers: readonly ContainerStatus[]): PodProgress {
  const running = containers.find(({ state }) => state?.running !== undefined);
  if (running !== undefined) return { state: 'running', container: running.name };
  const next = containers.find(({ state }) => state?.terminated === undefined);
  return {
    state: 'waiting',
    reason: next === undefined ? 'for its node' : sentence(`for container ${next.name}`, next.state?.waiting?.reason),
  };
}

/** What ended the pod from outside, as far as it is known. */
function causeOf({ conditions }: PodStatus): string {
  const target = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  return target === undefined ? '' : `: ${sentence(target.reason ?? 'disrupted', target.message)}`;
}

function sentence(what: string, detail: string | undefined): string {
  const quoted = quote(detail);
  return quoted === '' ? what : `${what}: ${quoted}`;
}

/** The end of a text, where programs say what they failed on, without line breaks and other control characters. */
function quote(full = ''): string {
  const line = full.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length <= LONGEST_QUOTE ? line : `…${line.slice(1 - LONGEST_QUOTE)}`;
}
