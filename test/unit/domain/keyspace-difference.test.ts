import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  describeDifference,
  type KeyChange,
  keyspaceDifferenceSchema,
  KeyspaceDifferenceTally,
} from '../../../lambdas/domain/keyspace-difference.ts';
import { seed } from '../../suite/seed.ts';

// Properties take seconds where other suites run beside them.
interface Added {
  readonly resource: string;
  readonly change: KeyChange;
  readonly name: string;
}

function differenceOf(added: readonly Added[], liveRevision: number | null = 20) {
  const tally = new KeyspaceDifferenceTally();
  for (const { resource, change, name } of added) tally.add(resource, change, () => name);
  return tally.difference(10, liveRevision);
}

const resource = fc.constantFrom('secrets', 'namespaces', 'nodes', 'example.com/widgets', 'events', 'leases', 'other');
const change = fc.constantFrom<KeyChange>('comesBack', 'vanishes', 'reverted', 'same');
const added = fc.record({ resource, change, name: fc.nat(5000).map((number) => `name-${number}`) });
/** Of few and of many keys: the lists of names have a limit. */
const additions = fc.oneof(fc.array(added, { maxLength: 20 }), fc.array(added, { minLength: 1000, maxLength: 4000 }));

describe('the difference of two keyspaces', () => {
  it('counts every key once, in the row of its resource', () => {
    fc.assert(
      fc.property(additions, (all) => {
        const { resources } = differenceOf(all);
        expect(resources.map((row) => row.resource).sort()).toEqual(
          [...new Set(all.map((one) => one.resource))].sort(),
        );
        for (const row of resources) {
          const count = (wanted: KeyChange) =>
            all.filter((one) => one.resource === row.resource && one.change === wanted).length;
          expect(row).toEqual({
            resource: row.resource,
            churn: row.resource === 'events' || row.resource === 'leases',
            comesBack: count('comesBack'),
            vanishes: count('vanishes'),
            reverted: count('reverted'),
            same: count('same'),
          });
        }
      }),
      { seed, numRuns: 30 },
    );
  });

  it('names the first 200 of what is named, namespaces and nodes before all others, whatever their order', () => {
    const ranks = ['namespaces', 'nodes', 'example.com/widgets'];
    fc.assert(
      fc.property(additions, (all) => {
        const { named } = differenceOf(all);
        for (const wanted of ['comesBack', 'vanishes', 'reverted'] as const) {
          const expected = ranks.flatMap((rank) =>
            all
              .filter((one) => one.resource === rank && one.change === wanted)
              .map(({ name }) => `${rank}/${name}`)
              .sort(),
          );
          expect(named[wanted]).toEqual(expected.slice(0, 200));
          expect(named.leftOut[wanted]).toBe(Math.max(0, expected.length - 200));
        }
      }),
      { seed, numRuns: 30 },
    );
  });

  it('is of the form that a plan keeps, also with no live datastore', () => {
    fc.assert(
      fc.property(additions, fc.option(fc.nat(), { nil: null }), (all, liveRevision) => {
        const difference = differenceOf(all, liveRevision);
        expect(keyspaceDifferenceSchema.parse(JSON.parse(JSON.stringify(difference)))).toEqual(difference);
      }),
      { seed, numRuns: 30 },
    );
  });

  it('lists what changes all the time after the rest, and each by name', () => {
    const all = ['secrets', 'events', 'compact_rev_key', 'pods', 'services/endpoints', 'example.com/widgets'];
    const { resources } = differenceOf(all.map((one) => ({ resource: one, change: 'same', name: 'x' })));
    expect(resources.map((row) => [row.resource, row.churn])).toEqual([
      ['example.com/widgets', false],
      ['pods', false],
      ['secrets', false],
      ['compact_rev_key', true],
      ['events', true],
      ['services/endpoints', true],
    ]);
  });

  it('does not name what the API server makes for every group by itself', () => {
    const { named } = differenceOf([
      { resource: 'apiregistration.k8s.io/apiservices', change: 'vanishes', name: 'v1.example.com' },
      { resource: 'apiextensions.k8s.io/customresourcedefinitions', change: 'vanishes', name: 'widgets.example.com' },
    ]);
    expect(named.vanishes).toEqual(['apiextensions.k8s.io/customresourcedefinitions/widgets.example.com']);
  });
});

describe('the text of a difference', () => {
  it('has the names and then the counts, in plain words', () => {
    const difference = differenceOf([
      { resource: 'namespaces', change: 'comesBack', name: 'shop' },
      { resource: 'namespaces', change: 'same', name: 'default' },
      { resource: 'example.com/widgets', change: 'vanishes', name: 'shop/one' },
      { resource: 'nodes', change: 'reverted', name: 'worker-1' },
      { resource: 'secrets', change: 'comesBack', name: 'shop/a' },
      { resource: 'secrets', change: 'comesBack', name: 'shop/b' },
      { resource: 'secrets', change: 'vanishes', name: 'shop/c' },
      { resource: 'pods', change: 'same', name: 'shop/a' },
      { resource: 'leases', change: 'reverted', name: 'kube-system/scheduler' },
    ]);
    expect(describeDifference(difference)).toEqual([
      'snapshot at revision 10, live at revision 20',
      'comes back  namespaces/shop',
      'vanishes    example.com/widgets/shop/one',
      'reverted    nodes/worker-1',
      'example.com/widgets: 1 vanishes',
      'namespaces: 1 comes back, 1 the same',
      'nodes: 1 reverted',
      'secrets: 2 come back, 1 vanishes',
      'leases (changes all the time): 1 reverted',
      '1 resource without a difference',
    ]);
  });

  it('says how many names it leaves out', () => {
    const all = Array.from({ length: 203 }, (_, number) => ({
      resource: 'namespaces',
      change: 'vanishes' as const,
      name: `namespace-${number}`,
    }));
    const lines = describeDifference(differenceOf(all, null));
    expect(lines).toHaveLength(203);
    expect(lines[0]).toBe('snapshot at revision 10, nothing live');
    expect(lines[201]).toBe('vanishes    and 3 more');
  });

  it('lets no key speak to the terminal', () => {
    const lines = describeDifference(
      differenceOf([{ resource: 'namespaces', change: 'vanishes', name: '\u001b[2Jshop\n' }]),
    );
    expect(lines[1]).toBe('vanishes    namespaces/\uFFFD[2Jshop\uFFFD');
  });
});
