import { describe, expect, it } from '@jest/globals';
import { StateMachine } from 'aws-local-stepfunctions';
import { MACHINE_NAMES, parseAsl, type Asl } from './asl.ts';
import { INTRINSIC_FUNCTIONS, refusedFeatures } from './refused-features.ts';

const TASK = { Type: 'Task', Resource: '${TakeSnapshotFunctionArn}', TimeoutSeconds: 60, End: true };
const PASS = { Type: 'Pass', End: true };
const MAP = { Type: 'Map', ItemProcessor: { StartAt: 'Inside', States: { Inside: PASS } }, End: true };
const RULE = { Variable: '$.a', Next: 'End' };

/** A machine of this state and one to go on to. */
const machineOf = (state: object, fields: object = {}) =>
  ({ StartAt: 'First', States: { First: state, End: { Type: 'Succeed' } }, ...fields }) as unknown as Asl;
const choiceOf = (rule: object) => machineOf({ Type: 'Choice', Choices: [{ ...RULE, ...rule }], Default: 'End' });
const mapOf = (fields: object, processor: object = {}) =>
  machineOf({ ...MAP, ...fields, ItemProcessor: { ...MAP.ItemProcessor, ...processor } });

async function runLocally(machine: Asl, input: object): Promise<unknown> {
  return await new StateMachine(machine as never, { validationOptions: { noValidate: true } }).run(input as never)
    .result;
}

describe.each(MACHINE_NAMES)('the machine %s', (name) => {
  it('uses nothing that the local engine ignores or does otherwise', () => {
    expect(refusedFeatures(parseAsl(name))).toEqual([]);
  });
});

describe('refused in a machine', () => {
  it.each<[feature: string, machine: Asl]>([
    ['QueryLanguage', machineOf(PASS, { QueryLanguage: 'JSONata' })],
    ['Label', machineOf(PASS, { Label: 'fleet' })],
  ])('is %s', (feature, machine) => {
    expect(refusedFeatures(machine)).toEqual([{ state: '', feature }]);
  });

  it.each<[feature: string, machine: Asl]>([
    ['QueryLanguage', machineOf({ ...TASK, QueryLanguage: 'JSONata' })],
    ['Arguments', machineOf({ ...TASK, Arguments: { id: '{% $states.input.id %}' } })],
    ['Output', machineOf({ ...PASS, Output: '{% 1 %}' })],
    ['Items', mapOf({ Items: [1, 2] })],
    ['Assign', machineOf({ ...PASS, Assign: { 'id.$': '$.id' } })],
    ['Assign', choiceOf({ StringEquals: 'b', Assign: { seen: true } })],
    ['Condition', choiceOf({ Condition: '{% true %}' })],
    ['HeartbeatSeconds', machineOf({ ...TASK, HeartbeatSeconds: 10 })],
    ['HeartbeatSecondsPath', machineOf({ ...TASK, HeartbeatSecondsPath: '$.heartbeat' })],
    ['TimeoutSecondsPath', machineOf({ ...TASK, TimeoutSecondsPath: '$.timeout' })],
    ['Credentials', machineOf({ ...TASK, Credentials: { RoleArn: 'arn:aws:iam::123456789012:role/other' } })],
    ['ItemReader', mapOf({ ItemReader: {} })],
    ['ItemBatcher', mapOf({ ItemBatcher: { MaxItemsPerBatch: 10 } })],
    ['ResultWriter', mapOf({ ResultWriter: {} })],
    ['ToleratedFailureCount', mapOf({ ToleratedFailureCount: 5 })],
    ['ToleratedFailurePercentage', mapOf({ ToleratedFailurePercentage: 5 })],
    ['Label', mapOf({ Label: 'fleet' })],
    ['Iterator', machineOf({ Type: 'Map', Iterator: MAP.ItemProcessor, End: true })],
    [
      'ProcessorConfig {"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}',
      mapOf({}, { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } }),
    ],
    ['QueryLanguage', mapOf({}, { QueryLanguage: 'JSONata' })],
    [
      'Resource arn:aws:states:::lambda:invoke.waitForTaskToken',
      machineOf({ ...TASK, Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken' }),
    ],
    [
      'Resource arn:aws:states:::states:startExecution.sync:2',
      machineOf({ ...TASK, Resource: 'arn:aws:states:::states:startExecution.sync:2' }),
    ],
    ['Resource arn:aws:states:::s3:getObject', machineOf({ ...TASK, Resource: 'arn:aws:states:::s3:getObject' })],
    ['Type Activity', machineOf({ ...TASK, Type: 'Activity' })],
    [
      'States.Base32Encode',
      machineOf({ ...PASS, Parameters: { deep: [{ 'id.$': "States.Format('{}', States.Base32Encode($.id))" }] } }),
    ],
    ['$$.Execution.Id', machineOf({ ...PASS, Parameters: { 'run.$': '$$.Execution.Id' } })],
    ['$$.State.EnteredTime', machineOf({ ...PASS, Parameters: { 'at.$': '$$.State.EnteredTime' } })],
    ['$$.Task.Token', machineOf({ ...TASK, Parameters: { 'token.$': '$$.Task.Token' } })],
    ['$$.Map.Item.Value', machineOf({ ...PASS, Parameters: { 'item.$': '$$.Map.Item.Value' } })],
    ['ResultPath $', machineOf({ ...TASK, ResultPath: '$' })],
    ["ResultPath $['point']", machineOf({ ...TASK, ResultPath: "$['point']" })],
    ['ResultPath $', machineOf({ ...TASK, Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$', Next: 'End' }] })],
    ['Assign', machineOf({ ...TASK, Catch: [{ ErrorEquals: ['States.ALL'], Assign: {}, Next: 'End' }] })],
    ['Result false', machineOf({ ...PASS, Result: false })],
    ['IsPresent false', choiceOf({ IsPresent: false })],
    ['IsNull false', choiceOf({ And: [{ Variable: '$.a', IsNull: false }] })],
  ])('is %s', (feature, machine) => {
    expect(refusedFeatures(machine)).toEqual([{ state: 'First', feature }]);
  });

  it('is the execution inside of a Map, where the local engine gives the iteration', () => {
    const inside = { ...PASS, Parameters: { 'input.$': '$$.Execution.Input' } };
    const machine = mapOf({}, { States: { Inside: inside } });
    expect(refusedFeatures(machine)).toEqual([{ state: 'Inside', feature: '$$.Execution.Input' }]);
    expect(refusedFeatures(machineOf(inside))).toEqual([]);
  });
});

describe('the local engine', () => {
  // When one of these changes with a new version, what is refused above may be allowed.
  it.each<[behaviour: string, machine: Asl, given: object, instead: unknown]>([
    ['passes over JSONata', machineOf({ ...PASS, QueryLanguage: 'JSONata', Output: '{% 1 %}' }), { a: 1 }, { a: 1 }],
    ['makes a property of ResultPath $', machineOf({ ...PASS, Result: 2, ResultPath: '$' }), { a: 1 }, { a: 1, $: 2 }],
    ['gives the input for a Result of false', machineOf({ ...PASS, Result: false }), { a: 1 }, { a: 1 }],
    [
      'runs a distributed Map like any other',
      mapOf({ ItemsPath: '$.a' }, { ProcessorConfig: { Mode: 'DISTRIBUTED' } }),
      { a: [1, 2] },
      [1, 2],
    ],
  ])('%s', async (_, machine, given, instead) => {
    expect(await runLocally(machine, given)).toEqual(instead);
  });

  it('never finds IsPresent false to be true', async () => {
    const machine = {
      StartAt: 'Is it absent?',
      States: {
        'Is it absent?': {
          Type: 'Choice',
          Choices: [{ Variable: '$.b', IsPresent: false, Next: 'Absent' }],
          Default: 'Present',
        },
        Absent: { ...PASS, Result: 'absent' },
        Present: { ...PASS, Result: 'present' },
      },
    } as unknown as Asl;
    expect(await runLocally(machine, { a: 1 })).toBe('present');
  });

  it('does not know the name of the execution unless it is given', async () => {
    const machine = machineOf({ ...PASS, Parameters: { 'run.$': '$$.Execution.Name' } });
    await expect(runLocally(machine, {})).rejects.toThrow("'$$.Execution.Name' does not point to a value");
  });

  it('knows every intrinsic function that is allowed', async () => {
    for (const name of INTRINSIC_FUNCTIONS) {
      const machine = machineOf({ ...PASS, Parameters: { 'value.$': `${name}()` } });
      const error = await runLocally(machine, {}).then(String, String);
      // One that it does not know is undefined, whatever it is given.
      expect(`${name}: ${error}`).not.toMatch(/Cannot read properties of undefined \(reading 'call'\)/);
    }
    const unknown = machineOf({ ...PASS, Parameters: { 'value.$': 'States.Base32Encode()' } });
    await expect(runLocally(unknown, {})).rejects.toThrow("Cannot read properties of undefined (reading 'call')");
  });
});
