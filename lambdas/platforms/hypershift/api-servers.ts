import { endWorkload, scaleTo } from '../../kube/workloads.ts';
import type { ApiServers } from '../api-servers.ts';
import { describeHostedApi } from './hosted-api.ts';

/** Deployments, which are scaled while HyperShift's operators are paused. */
export const apiServers: ApiServers = {
  stop: (api, _name, server) => endWorkload(api, server),
  start: (api, _name, server) => scaleTo(api, server, server.replicas),
  reach: describeHostedApi,
};
