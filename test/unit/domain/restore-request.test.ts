import { describe, expect, it } from '@jest/globals';
import { requestOf, restoreRequestSchema } from '../../../lambdas/domain/restore.ts';

const REQUEST = { controlPlane: 'mgmt-a/clusters/prod', point: 'latest-verified' };
const operationOf = (execution: string) =>
  restoreRequestSchema.parse(requestOf({ execution, request: REQUEST })).operation;

describe('the operation of an execution', () => {
  it('has the name that is given, else that of the execution, e.g. one that the console made', () => {
    const given = { ...REQUEST, operation: 'restore-1' };
    expect(requestOf({ execution: 'another', request: given })).toEqual(given);
    const uuid = '8b4d2f0e-7c55-4a7b-9a3e-0d6c1c1f5d11';
    expect(requestOf({ execution: uuid, request: REQUEST })).toEqual({ ...REQUEST, operation: uuid });
  });

  it.each(['Restore_of Prod', 'a'.repeat(80), '-x-', '\u00fc\u00fc', `${'long-'.repeat(5)}-${'tail'.repeat(10)}`])(
    'is a safe one for %s',
    (execution) => {
      const operation = operationOf(execution);
      const request = { ...REQUEST, operation };
      expect(restoreRequestSchema.parse(request)).toEqual(request);
      expect(operationOf(execution)).toBe(operation);
    },
  );

  it('differs for names that differ only in what an operation cannot have, or behind what fits', () => {
    const names = ['prod', 'Prod', 'PROD', 'prod_', `${'x'.repeat(60)}1`, `${'x'.repeat(60)}2`];
    expect(new Set(names.map(operationOf)).size).toBe(names.length);
  });
});
