import prices from './list-prices.json' with { type: 'json' };
import machine from '../../statemachines/back-up-fleet/machine.asl.json' with { type: 'json' };
import { CONTROL_PLANES_A_PAGE, PAGES_A_PART } from '../../lambdas/domain/policy-run.ts';
import { markdownTable } from '../documents/markdown.ts';
import { METRICS } from '../../lambdas/domain/metrics.ts';

const DAYS_A_MONTH = 30;

/** What one fleet is made of; everything that the table assumes stands here. */
export const ASSUMPTIONS = {
  runsADay: 1,
  pointsKept: 22,
  storedBytesAPoint: 10 * 1024 ** 2,
  controlPlanesAManagementCluster: 50,
  /** Taking and verifying a file of 50 MiB, at 1769 MiB of memory and 10 GiB of ephemeral storage. */
  clusterSecondsAControlPlane: 8,
  /** The other functions together, at 512 MiB. */
  storeSecondsAControlPlane: 1.5,
  putOrListRequestsAControlPlane: 25,
  getRequestsAControlPlane: 60,
  logBytesAControlPlane: 8 * 1024,
  reportsADay: 96,
  /** Of a stack with one policy. */
  alarms: 13,
} as const;

const CLUSTER_GIGABYTES = 1769 / 1024;
const STORE_GIGABYTES = 0.5;
const EPHEMERAL_GIGABYTES = 9.5;

interface State {
  readonly Type: string;
  readonly Next?: string;
  readonly Choices?: readonly { readonly Next: string }[];
  readonly Default?: string;
  readonly ItemProcessor?: Machine;
}
interface Machine {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

/** State transitions of an undisturbed run: of the machine itself, the last part of a run or another one, of a page, of a control plane. */
export function transitions({ StartAt, States }: Machine, part: 'last' | 'other' = 'last'): number[] {
  let own = 1;
  let inner: number[] = [];
  for (let name: string | undefined = StartAt; name !== undefined; own += 1) {
    const state: State | undefined = States[name];
    if (state === undefined) throw new Error(`there is no state "${name}"`);
    if (state.ItemProcessor !== undefined) inner = transitions(state.ItemProcessor);
    name = state.Next ?? (part === 'last' ? state.Choices?.[0]?.Next : state.Default);
  }
  return [own, ...inner];
}

/** US dollars a month, by what is paid for. */
export function monthlyCosts(controlPlanes: number): Readonly<Record<string, number>> {
  const {
    runsADay,
    pointsKept,
    storedBytesAPoint,
    controlPlanesAManagementCluster,
    clusterSecondsAControlPlane,
    storeSecondsAControlPlane,
    putOrListRequestsAControlPlane,
    getRequestsAControlPlane,
    logBytesAControlPlane,
    reportsADay,
  } = ASSUMPTIONS;
  const runs = runsADay * DAYS_A_MONTH;
  const backups = controlPlanes * runs;
  const pages = Math.ceil(controlPlanes / CONTROL_PLANES_A_PAGE);
  const managementClusters = Math.ceil(controlPlanes / controlPlanesAManagementCluster);
  const [ofLastPart = 0, ofPage = 0, ofControlPlane = 0] = transitions(machine);
  const [ofOtherPart = 0] = transitions(machine, 'other');
  const otherParts = Math.ceil(pages / PAGES_A_PART) - 1;
  const transitionCount =
    runs * (ofLastPart + otherParts * ofOtherPart) + runs * pages * ofPage + backups * ofControlPlane;
  const reports = reportsADay * DAYS_A_MONTH;
  const gigabyteSeconds =
    backups * (clusterSecondsAControlPlane * CLUSTER_GIGABYTES + storeSecondsAControlPlane * STORE_GIGABYTES);
  const requests = backups * (putOrListRequestsAControlPlane + getRequestsAControlPlane);
  return {
    'Step Functions': transitionCount * prices.stateTransition,
    Lambda:
      (transitionCount + reports) * prices.lambdaRequest +
      gigabyteSeconds * prices.lambdaArmGigabyteSecond +
      backups * clusterSecondsAControlPlane * EPHEMERAL_GIGABYTES * prices.lambdaStorageGigabyteSecond,
    'S3 storage': ((controlPlanes * pointsKept * storedBytesAPoint) / 1024 ** 3) * prices.s3StandardGigabyteMonth,
    'S3 requests':
      backups *
      (putOrListRequestsAControlPlane * prices.s3PutOrListRequest + getRequestsAControlPlane * prices.s3GetRequest),
    // One bucket key serves many objects; a tenth of the requests is a careful guess.
    KMS: prices.kmsKeyMonth + (requests / 10) * prices.kmsRequest,
    'Secrets Manager': managementClusters * prices.secretMonth + backups * 2 * prices.secretRequest,
    'events, metrics, logs':
      backups * prices.customEvent +
      // Of the policy, and of all together.
      2 * Object.keys(METRICS).length * prices.metricMonth +
      ASSUMPTIONS.alarms * prices.alarmMonth +
      prices.dashboardMonth +
      ((backups * logBytesAControlPlane) / 1024 ** 3) * prices.logGigabyte,
  };
}

/** The table of docs/costs.md. */
export function costTable(): string {
  const fleets = [100, 10_000];
  const columns = fleets.map(monthlyCosts);
  const dollars = (amount: number) => `$${amount.toFixed(amount < 100 ? 2 : 0)}`;
  const sum = (column: Readonly<Record<string, number>>) => Object.values(column).reduce((a, b) => a + b, 0);
  const rows = Object.keys(columns[0] ?? {}).map((name) => [
    name,
    ...columns.map((column) => dollars(column[name] ?? 0)),
  ]);
  const table = [
    ['a month', ...fleets.map((fleet) => `${fleet.toLocaleString('en')} control planes`)],
    ...rows,
    ['**together**', ...columns.map((column) => `**${dollars(sum(column))}**`)],
    ['each', ...columns.map((column, index) => dollars(sum(column) / (fleets[index] ?? 1)))],
  ];
  const [head = [], ...body] = table;
  return markdownTable(head, body);
}

if (import.meta.main) process.stdout.write(`${costTable()}\n`);
