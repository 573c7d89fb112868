import { describe, expect, it } from '@jest/globals';
import { StateMachine } from 'aws-local-stepfunctions';
import * as z from 'zod';
import { readAsl, statesOf, type Asl } from '../workflow/asl.ts';
import { rolesOf } from './roles.ts';
import { asText, bundlesOf, nameOf, synthesize, type Synthesized } from './synthesized.ts';

const CONTROL_PLANE = 'mgmt-a/clusters/prod';
const RUN = { runId: 'nightly-20260102T030000Z', policy: 'nightly', slot: '2026-01-02T03:00:00Z' };
/** What the functions of a run answer, as far as the machine looks at it. */
const ANSWERS: Readonly<Record<string, object>> = {
  'Plan the run': { ...RUN, pages: [0], nextPage: null },
  'Read the page': { ...RUN, page: 0, controlPlanes: [{ controlPlane: CONTROL_PLANE, platform: 'hypershift' }] },
  'Take the snapshot': { id: '20260102T030405Z-a1b2' },
  'Report the run': { status: 'succeeded' },
};

const old = synthesize();
const versionsOf = (template: Synthesized) => template.ofType('AWS::Lambda::Version');
const idsOf = (template: Synthesized) => versionsOf(template).map(({ id }) => id);

/** A machine as it is deployed: in Step Functions an execution keeps to it until its end. */
function definitionOf(template: Synthesized, machine: string, feature: string): Asl {
  const { Properties } = template.one('AWS::StepFunctions::StateMachine', feature);
  const substitutions = z.record(z.string(), z.unknown()).parse(Properties['DefinitionSubstitutions']);
  const text = readAsl(machine).replaceAll(/\$\{(\w+)\}/g, (_, name: string) => asText(substitutions[name]));
  return JSON.parse(text) as Asl;
}

describe('what is called', () => {
  it('is a version of every function, which outlives the deployment of the next one but not its own failure', () => {
    expect(versionsOf(old)).toHaveLength(old.ofType('AWS::Lambda::Function').length);
    for (const { DeletionPolicy, UpdateReplacePolicy } of versionsOf(old)) {
      expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain']);
    }
  });

  it('by schedules and events is a version too, with the order of Lambda for what it could not take', () => {
    const ids = idsOf(old);
    const targets = [
      ...old
        .ofType('AWS::Scheduler::Schedule')
        .map(({ Properties }) => asText((Properties['Target'] as { Arn: unknown }).Arn)),
      ...old
        .ofType('AWS::Events::Rule')
        .map(({ Properties }) => asText((Properties['Targets'] as { Arn: unknown }[])[0]?.Arn)),
    ];
    expect(targets).toHaveLength(3);
    expect(targets.filter((target) => !ids.some((id) => target === `<${id}>`))).toEqual([]);
    const invoked = old.ofType('AWS::Lambda::EventInvokeConfig').map(({ Properties }) => Properties);
    expect(invoked).toHaveLength(3);
    for (const { Qualifier, MaximumRetryAttempts, MaximumEventAgeInSeconds } of invoked) {
      expect(ids.some((id) => asText(Qualifier) === `<${id}.Version>`)).toBe(true);
      expect([MaximumRetryAttempts, MaximumEventAgeInSeconds]).toEqual([2, 3600]);
    }
  });
});

describe('a deployment', () => {
  it.each([
    [
      'another configuration',
      () => synthesize({ policies: { weekly: { schedule: '@weekly', retention: { last: 2 } } } }),
    ],
    ['other code', () => synthesize({}, bundlesOf('export const handler = () => 1;\n'))],
  ])('of %s makes new versions of all functions', (_, deploy) => {
    const ids = idsOf(old);
    expect(idsOf(deploy()).filter((id) => ids.includes(id))).toEqual([]);
  });

  it('of the same leaves every version', () => {
    expect(idsOf(synthesize())).toEqual(idsOf(old));
  });

  it('in the middle of a run changes nothing of it: it ends with the versions with which it began, and may call them', async () => {
    const machine = definitionOf(old, 'back-up-fleet', 'BackUpFleet');
    const called: string[] = [];
    let updated: Synthesized | undefined;
    const handlers = statesOf(machine).flatMap(([name, { Type, Resource = '' }]) => {
      if (Type !== 'Task') return [];
      const call = () => {
        called.push(Resource);
        if (name === 'Take the snapshot') updated = synthesize({}, bundlesOf('export const handler = () => 2;\n'));
        return Promise.resolve(ANSWERS[name] ?? {});
      };
      return [[name, call] as const];
    });
    const local = new StateMachine(machine as never, { validationOptions: { noValidate: true } });
    const { result } = local.run(
      { policy: RUN.policy, slot: RUN.slot },
      {
        overrides: { taskResourceLocalHandlers: Object.fromEntries(handlers) as never },
      },
    );
    await result;
    if (updated === undefined) throw new Error('nothing was deployed meanwhile');
    const ofOld = versionsOf(old);
    const now = idsOf(updated);
    const role = rolesOf(updated).find(({ name }) => name === 'BackUpFleet');
    expect(called.length).toBeGreaterThanOrEqual(9);
    for (const resource of called) {
      const version = ofOld.find(({ id }) => resource === `<${id}>`);
      expect(now).not.toContain(version?.id);
      const functionId = asText(version?.Properties['FunctionName']).slice(1, -1);
      expect(role?.may('lambda:InvokeFunction', `<${functionId}.Arn>:1`)).toBe(true);
      expect(role?.may('lambda:InvokeFunction', `<${functionId}.Arn>`)).toBe(false);
    }
    const next = definitionOf(updated, 'back-up-fleet', 'BackUpFleet');
    const later = statesOf(next).flatMap(([, { Type, Resource = '' }]) => (Type === 'Task' ? [Resource] : []));
    expect(later.every((resource) => now.some((id) => resource === `<${id}>`))).toBe(true);
  });

  it.each(['BackUpFleet', 'RestoreControlPlane'])(
    'finds the machine %s with a right to call its own functions only',
    (feature) => {
      const role = rolesOf(old).find(({ name }) => name === feature);
      const machine = feature === 'BackUpFleet' ? 'back-up-fleet' : 'restore-control-plane';
      const steps = statesOf(definitionOf(old, machine, feature)).flatMap(([, { Resource = '' }]) => Resource || []);
      const mayCall = versionsOf(old).filter(({ Properties }) =>
        role?.may('lambda:InvokeFunction', `<${asText(Properties['FunctionName']).slice(1, -1)}.Arn>:7`),
      );
      expect(mayCall.map(({ id }) => `<${id}>`).sort()).toEqual([...new Set(steps)].sort());
      expect(mayCall.map(nameOf)).not.toContain('ReportStatus');
    },
  );
});
