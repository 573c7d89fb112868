import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { requestOf, restoreStartSchema } from '../../lambdas/domain/restore.ts';
import { MACHINE_NAMES, machineFile } from './asl.ts';
import { MACHINE_INPUTS } from './machine-steps.ts';

const inputsOf = (machine: string) => readdirSync(machineFile(machine, 'inputs'));
const read = (machine: string, ...path: readonly string[]) => readFileSync(machineFile(machine, ...path), 'utf8');
/** Execution names that the console proposes. */
const PROPOSED = '6f1b2c9e-3a4d-4f7e-8a55-0c9d1e2f3a4b';

describe.each(MACHINE_NAMES)('a sample input of %s', (machine) => {
  it.each(inputsOf(machine))('is taken: %s', (file) => {
    const schema = MACHINE_INPUTS[machine];
    const input = JSON.parse(read(machine, 'inputs', file)) as object;
    const { error, data } = schema?.safeParse(input) ?? {};
    expect(error).toBeUndefined();
    // Nothing of it is passed over.
    expect(data).toEqual(input);
  });

  it.each(inputsOf(machine))('is explained in the page of the machine: %s', (file) => {
    expect(read(machine, 'README.md')).toContain(`(inputs/${file})`);
  });
});

describe('an execution that the console names', () => {
  it('is an operation of that name, so that the list of executions and "lifeboat operations" agree', () => {
    const request = restoreStartSchema.parse(JSON.parse(read('restore-control-plane', 'inputs', 'newest-point.json')));
    expect(requestOf({ execution: PROPOSED, request })).toMatchObject({ operation: PROPOSED });
  });
});
