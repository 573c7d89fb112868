import { judgeAbandonment } from '../../lambdas/restores/abandon.ts';
import type { Ports } from '../local/ports.ts';
import { asOnlyWorker, runRestoreMachine } from '../local/restore-machine.ts';
import { EXIT } from '../output/exit-codes.ts';
import { describeAbandonment, describeResult } from '../output/restore-text.ts';
import { confirm } from './confirm.ts';
import type { CommandResult } from './result.ts';

export interface AbandonOptions {
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/**
 * `lifeboat abandon <operation>`: closes a restore for ever. LockedError while a process works on it or another operation has its
 * control plane; an execution in AWS has to be stopped first.
 */
export async function abandon(ports: Ports, operation: string, options: AbandonOptions): Promise<CommandResult> {
  const judged = await judgeAbandonment(operation, ports);
  const { restore, way, breach = null } = judged;
  const text = describeAbandonment(judged);
  if (options.dryRun) {
    const dryRun = `dry run: nothing was done. To do it: lifeboat abandon ${operation}`;
    return { json: { operation, way, breach, result: null }, text: `${text}\n${dryRun}` };
  }
  await confirm(text, 'Abandon it?', options.yes, ports.signal);
  return await asOnlyWorker(operation, ports, async ({ signal }) => {
    const result = await runRestoreMachine(restore.plan, { abandon: operation }, { ...ports, signal });
    const exitCode = result.outcome === 'abandoned' ? EXIT.done : EXIT.refused;
    return { json: { operation, way, breach, result }, text: describeResult(result), exitCode };
  });
}
