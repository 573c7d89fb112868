import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { changeState, MACHINE_NAMES, machineFile, parseAsl, statesOf, type Asl, type AslState } from './asl.ts';
import { loadSteps, MACHINE_INPUTS } from './machine-steps.ts';
import type { Shape } from './shapes.ts';
import { walk, type Finding, type StepShapes } from './walk.ts';

async function shapesOf(machine: Asl): Promise<Readonly<Record<string, StepShapes>>> {
  return Object.fromEntries(
    Object.entries(await loadSteps(machine)).map(([name, { input, output }]) => [
      name,
      { input: shapeOf(input, 'input'), output: shapeOf(output, 'output') },
    ]),
  );
}

function shapeOf(schema: z.ZodType, io: 'input' | 'output'): Shape {
  return z.toJSONSchema(schema, { io }) as Shape;
}

/** What a machine is started with: whatever else an event holds, the steps are not told of it. */
function inputOf(machine: string): z.ZodType {
  const input = MACHINE_INPUTS[machine];
  if (input === undefined)
    throw new Error(`test/workflow/machine-steps.ts does not say what ${machine} is started with`);
  return input;
}

describe.each(MACHINE_NAMES)('the machine %s', (name) => {
  it('gives every step what it takes, on every way', async () => {
    const machine = parseAsl(name);
    const { findings, reached } = walk(machine, shapeOf(inputOf(name), 'output'), await shapesOf(machine));
    expect(findings).toEqual([]);
    expect([...reached].sort()).toEqual(
      statesOf(machine)
        .map(([state]) => state)
        .sort(),
    );
  });

  it('can be started with each of its examples', () => {
    const files = readdirSync(machineFile(name, 'inputs'));
    expect(files).not.toEqual([]);
    for (const file of files) {
      const example: unknown = JSON.parse(readFileSync(machineFile(name, 'inputs', file), 'utf8'));
      expect(inputOf(name).parse(example)).toEqual(example);
    }
  });
});

describe('the walk', () => {
  const machine = parseAsl('back-up-fleet');
  let steps: Readonly<Record<string, StepShapes>>;
  beforeAll(async () => {
    steps = await shapesOf(machine);
  });
  const findingsIn = (asl: Asl, changedSteps: Readonly<Record<string, StepShapes>> = {}): readonly Finding[] =>
    walk(asl, shapeOf(inputOf('back-up-fleet'), 'output'), { ...steps, ...changedSteps }).findings;
  const changed = (state: string, change: (old: AslState) => AslState) =>
    findingsIn(changeState(machine, state, change));
  const without = (payload: unknown, name: string) =>
    Object.fromEntries(Object.entries(payload as object).filter(([key]) => key !== name));

  it('names the state and the field when a ResultPath has another name', () => {
    expect(changed('Lock the control plane', (state) => ({ ...state, ResultPath: '$.lease' }))).toEqual(
      ['Take the snapshot', 'Verify the recovery point', 'Apply retention', 'Release the control plane'].map(
        (state) => ({
          state,
          problem: 'the input lacks "lock"',
        }),
      ),
    );
  });

  it('names the state and the field when Parameters leave one out', () => {
    const findings = changed('Record the page', (state) => ({
      ...state,
      Parameters: without(state.Parameters, 'outcomes.$'),
    }));
    expect(findings).toEqual([{ state: 'Record the page', problem: 'the input lacks "outcomes"' }]);
  });

  it('names the state and the field when an ItemSelector leaves one out', () => {
    const findings = changed('Back up every page', (state) => ({
      ...state,
      ItemSelector: without(state.ItemSelector, 'page.$'),
    }));
    expect(findings).toContainEqual({ state: 'Read the page', problem: 'the input lacks "page"' });
  });

  it('finds a field of an outcome that one of many ways leaves out', () => {
    const findings = changed('Note that retention failed', (state) => ({
      ...state,
      Parameters: without(state.Parameters, 'step'),
    }));
    expect(findings).toEqual([{ state: 'Record the page', problem: 'the input.outcomes[] lacks "step"' }]);
  });

  it('finds a path that leads nowhere', () => {
    const findings = changed('Note that it is skipped', (state) => ({
      ...state,
      Parameters: { ...(state.Parameters as object), 'point.$': '$.point.id' },
    }));
    expect(findings).toEqual([
      { state: 'Note that it is skipped', problem: 'Pass: $.point.id leads nowhere: there is no "point"' },
    ]);
  });

  it('finds an error that a Catch throws away although it is needed', () => {
    const findings = changed('Verify the recovery point', (state) => ({
      ...state,
      Catch: state.Catch?.map((catcher) => ({ ...catcher, ResultPath: null })) ?? [],
    }));
    expect(findings).toEqual([
      { state: 'Note that it was not verified', problem: 'Pass: $.failure.Error leads nowhere: there is no "failure"' },
    ]);
  });

  it('finds a Map over something that is no array', () => {
    expect(changed('Back up every page', (state) => ({ ...state, ItemsPath: '$.controlPlanes' }))).toContainEqual({
      state: 'Back up every page',
      problem: 'Map: $.controlPlanes is not sure to be an array',
    });
  });

  it('finds a rule of a Choice that can never be true', () => {
    const findings = changed('Was everything backed up?', (state) => ({
      ...state,
      Choices: [{ ...state.Choices?.[0], StringEquals: 'success' }],
    }));
    expect(findings).toContainEqual({
      state: 'Was everything backed up?',
      problem: 'Choice: the rule for "All control planes are backed up" can never be true',
    });
  });

  it('finds that nobody looked whether there is a next page', () => {
    const findings = changed('Back up every page', (state) => ({ ...state, Next: 'Start the next part' }));
    expect(findings).toContainEqual({
      state: 'Start the next part',
      problem: 'the input.firstPage is null and not integer',
    });
  });

  it('finds a state that no way leads to', () => {
    const findings = changed('Lock the control plane', (state) => ({ ...state, Catch: state.Catch?.slice(1) ?? [] }));
    expect(findings).toEqual([{ state: 'Note that it is skipped', problem: 'no way leads to it' }]);
  });

  it.each<[string, string, z.ZodType, string]>([
    [
      'a field more',
      'ReadPage',
      z.object({ runId: z.string(), page: z.int().nonnegative(), of: z.int() }),
      'the input lacks "of"',
    ],
    [
      'another type',
      'ReadPage',
      z.object({ runId: z.int(), page: z.int().nonnegative() }),
      'the input.runId is string and not integer',
    ],
    [
      'a tighter bound',
      'ReadPage',
      z.object({ page: z.int().positive() }),
      'the input.page is not sure to have the exclusiveMinimum 0',
    ],
    [
      'one value only',
      'ReportRun',
      z.object({ policy: z.literal('nightly') }),
      'the input.policy is string and not "nightly"',
    ],
    ['a form', 'ReportRun', z.object({ policy: z.iso.date() }), 'the input.policy is not sure to have the format date'],
    ['nothing else', 'ReadPage', z.strictObject({ page: z.int() }), 'the input may not have "runId"'],
  ])('finds a step that takes %s', (_, functionName, input, problem) => {
    const step = steps[functionName];
    if (step === undefined) throw new Error(`no step ${functionName}`);
    const findings = findingsIn(machine, { [functionName]: { ...step, input: shapeOf(input, 'input') } });
    expect(findings.map((finding) => finding.problem)).toContain(problem);
  });

  it('finds a step that may give null where a field of it is needed', () => {
    const { TakeSnapshot: step } = steps;
    if (step === undefined) throw new Error('no step');
    const output = shapeOf(z.object({ id: z.string() }).nullable(), 'output');
    const findings = findingsIn(machine, { TakeSnapshot: { ...step, output } });
    expect(findings).toContainEqual({
      state: 'Verify the recovery point',
      problem: 'the input.point is null and not object',
    });
  });
});
