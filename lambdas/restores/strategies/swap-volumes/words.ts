import { exchangedDirectory, type EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { Exchange, StrategyWords } from '../words.ts';

const EXCHANGED: Readonly<Record<Exchange, string>> = {
  'not-begun': 'the data were never exchanged',
  begun: 'the restored data are on some volumes perhaps in place of the old data',
  done: 'the restored data are in place of the old data',
  'put-back': 'the old data are back in place',
};

export const swapVolumesWords: StrategyWords = {
  kept: ({ operation, target }, why, isRestored) =>
    target.datastores.flatMap(({ mountPath, members }) => {
      const claims = members.filter(({ lostClaim }) => lostClaim === null).map(({ claim }) => claim);
      const own = `${mountPath}/lifeboat-${operation}`;
      const what = isRestored
        ? `what lay on ${claims.join(', ')} before is still there, in ${own}/previous`
        : `what the restore put aside on ${claims.join(', ')} is still there, in ${own}`;
      return claims.length === 0 ? [] : [`${why}: ${what}; remove the directory when nobody wants it any more`];
    }),

  leftInExchange({ point, target }) {
    const claims = target.datastores.flatMap(({ members }) => members.map(({ claim }) => claim));
    return [
      `the data on ${claims.join(', ')} are as they were found: those of before or those of ${point}; nothing of them was changed`,
    ];
  },

  stuck: ({ operation, target }, exchange) => [
    ...target.datastores.map(
      ({ namespace }) =>
        `Remove pods that the restore has left, before etcd is started: kubectl delete pods --namespace ${namespace} --selector lifeboat.io/operation=${operation}`,
    ),
    ...target.datastores.map((installation) => describeVolumes(installation, operation, exchange)),
  ],
};

function describeVolumes(installation: EtcdInstallation, operation: string, exchange: Exchange): string {
  const { namespace, statefulSet, replicas, mountPath, members } = installation;
  const isAside = exchange === 'begun' || exchange === 'done';
  const aside = `; where ${mountPath}/lifeboat-${operation}/previous is there, it holds what was there before`;
  return (
    `StatefulSet ${namespace}/${statefulSet}: ${EXCHANGED[exchange]}. On each volume (${members.map(({ claim }) => claim).join(', ')}) the data that etcd ` +
    `starts with are ${exchangedDirectory(installation).path}${isAside ? aside : ''}. ` +
    `It had ${replicas} replicas, and its data want ${members.length}.`
  );
}
