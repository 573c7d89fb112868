/** One etcd as its platform declares it, whatever runs of it: the StatefulSet may stand at zero, or not be there. */
export interface DeclaredEtcd {
  /** Name of the datastore inside its control plane. */
  readonly datastore: string;
  readonly namespace: string;
  readonly statefulSet: string;
  readonly members: number;
  readonly clientPort: number;
  /** Where the other members reach one, by its pod and the Service of the StatefulSet. */
  peerUrlOf(pod: string, service: string): string;
}
