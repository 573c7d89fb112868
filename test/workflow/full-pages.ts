import { CONTROL_PLANES_A_PAGE, partName, runId } from '../../lambdas/domain/policy-run.ts';
import { parseAsl } from './asl.ts';
import { loadSteps } from './machine-steps.ts';
import { runScripted, type Mishap, type ScriptedRun } from './scripted-run.ts';

const machine = parseAsl('back-up-fleet');
/** The longest name that a policy and each part of a control plane's name may have. */
const INPUT = { policy: 'p'.repeat(32), slot: '2026-01-02T03:00:00Z' };
const FIRST_PARTS = ['m'.repeat(63), 'n'.repeat(63)];

/** The run that {@link runFullPages} runs. */
export const FULL_RUN = { ...INPUT, runId: runId(INPUT) };

export interface FullPages {
  readonly pages: number;
  readonly nextPage: number | null;
  /** A step that fails for every control plane for as long as it is tried. */
  readonly failing?: { readonly functionName: string; readonly error: Error };
}

/** One execution of back-up-fleet over full pages, with the longest names; `recorded` is what was given for the last page. */
export async function runFullPages({
  pages,
  nextPage,
  failing,
}: FullPages): Promise<ScriptedRun & { readonly recorded: unknown }> {
  let recorded: unknown;
  const counts = { verified: 0, failed: 0, skipped: 0 };
  const controlPlanes = Array.from({ length: CONTROL_PLANES_A_PAGE }, (_, index) => ({
    controlPlane: [...FIRST_PARTS, `${'c'.repeat(250)}${index}`].join('/'),
    platform: 'hypershift',
  }));
  const numbers = Array.from({ length: pages }, (_, page) => page);
  const plan = { pages: numbers, nextPage, controlPlanes: pages * CONTROL_PLANES_A_PAGE, unreachable: 0 };
  const mishaps: Mishap[] = failing === undefined ? [] : Array<Error>(10 * CONTROL_PLANES_A_PAGE).fill(failing.error);
  const ended = await runScripted(
    {
      machine,
      input: INPUT,
      steps: await loadSteps(machine),
      answers: {
        PlanRun: () => ({ ...FULL_RUN, ...plan }),
        ReadPage: ({ page }: { page: number }) => ({ ...FULL_RUN, page, controlPlanes }),
        LockControlPlane: () => ({ token: Number.MAX_SAFE_INTEGER }),
        TakeSnapshot: () => ({ id: '20260102T030001Z-a1b2' }),
        VerifyRecoveryPoint: () => ({ verdict: 'verified' }),
        ApplyRetention: () => ({ kept: 1, deleted: 0, deferred: 0, leftovers: { swept: 0, kept: 0, deferred: 0 } }),
        ReleaseControlPlane: () => null,
        RecordPage: (input: unknown) => {
          recorded = input;
          return counts;
        },
        StartNextPart: (part: typeof INPUT & { firstPage: number }) => ({ execution: partName(part) }),
        ReportRun: () => ({ status: 'succeeded', counts }),
      },
      affects: () => true,
    },
    failing === undefined ? {} : { [failing.functionName]: mishaps },
  );
  return { ...ended, recorded };
}
