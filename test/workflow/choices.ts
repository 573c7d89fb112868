import type { AslState, ChoiceRule } from './asl.ts';
import { select, ShapeError, union, variantsOf, type Shape } from './shapes.ts';

/** Where a Choice may go on, with what is then known. */
export interface Alternative {
  readonly to: string;
  readonly shape: Shape;
}

const OPERAND_TYPES: readonly (readonly [prefix: string, types: readonly string[]])[] = [
  ['String', ['string']],
  ['Numeric', ['integer', 'number']],
  ['Boolean', ['boolean']],
  ['Timestamp', ['string']],
];

/**
 * The ways out of a Choice. ShapeError for a variable that may be absent or of another type, and for a rule that can never
 * be true: then its constant is misspelt.
 */
export function alternativesOf(state: AslState, given: Shape): Alternative[] {
  const ways: Alternative[] = [];
  let rest: Shape | undefined = given;
  for (const rule of state.Choices ?? []) {
    if (rest === undefined)
      throw new ShapeError(`the rule for "${rule.Next ?? ''}" comes after one that is always true`);
    const { met, unmet } = split(rule, rest);
    if (met === undefined) throw new ShapeError(`the rule for "${rule.Next ?? ''}" can never be true`);
    ways.push({ to: rule.Next ?? '', shape: met });
    rest = unmet;
  }
  if (rest !== undefined && state.Default === undefined) {
    throw new ShapeError('there is no Default, and what no rule takes fails with States.NoChoiceMatched');
  }
  if (rest !== undefined && state.Default !== undefined) ways.push({ to: state.Default, shape: rest });
  return ways;
}

interface Split {
  /** What is known where the rule is true; undefined when it never is. */
  readonly met: Shape | undefined;
  readonly unmet: Shape | undefined;
}

function split(rule: ChoiceRule, given: Shape): Split {
  const { And, Or, Not, Variable = '$' } = rule;
  if (Not !== undefined) {
    const { met, unmet } = split(Not, given);
    return { met: unmet, unmet: met };
  }
  if (And !== undefined) {
    const unmet: Shape[] = [];
    let met: Shape | undefined = given;
    for (const part of And) {
      if (met === undefined) break;
      const parts: Split = split(part, met);
      if (parts.unmet !== undefined) unmet.push(parts.unmet);
      met = parts.met;
    }
    return { met, unmet: unmet.length === 0 ? undefined : union(unmet) };
  }
  if (Or !== undefined) {
    const met: Shape[] = [];
    let unmet: Shape | undefined = given;
    for (const part of Or) {
      if (unmet === undefined) break;
      const parts: Split = split(part, unmet);
      if (parts.met !== undefined) met.push(parts.met);
      unmet = parts.unmet;
    }
    return { met: met.length === 0 ? undefined : union(met), unmet };
  }
  return splitByTest(rule, Variable, given);
}

/** By the cases of the whole input: each is met, or not, or either. */
function splitByTest(rule: ChoiceRule, variable: string, given: Shape): Split {
  const [comparison, operand] = Object.entries(rule).find(
    ([name]) => !['Variable', 'Next', 'Comment'].includes(name),
  ) ?? ['nothing', undefined];
  const met: Shape[] = [];
  const unmet: Shape[] = [];
  for (const variant of casesOf(given, variable)) {
    const { isMet, isUnmet } = verdict(comparison, operand, variable, variant, given);
    if (isMet) met.push(variant);
    if (isUnmet) unmet.push(variant);
  }
  return { met: asUnion(met), unmet: asUnion(unmet) };
}

function verdict(comparison: string, operand: unknown, variable: string, variant: Shape, given: Shape) {
  if (comparison === 'IsPresent') {
    const isPresent = valueAt(variant, variable) !== undefined;
    return { isMet: isPresent === operand, isUnmet: isPresent !== operand };
  }
  const value = valueAt(variant, variable) ?? select(given, variable);
  if (comparison === 'IsNull') {
    const isNull = value.type === 'null';
    return { isMet: isNull === operand, isUnmet: isNull !== operand };
  }
  const types = OPERAND_TYPES.find(([prefix]) => comparison.startsWith(prefix))?.[1];
  if (types === undefined) throw new ShapeError(`nothing is known of the test ${comparison}`);
  if (typeof value.type !== 'string' || !types.includes(value.type)) {
    throw new ShapeError(`${comparison} of ${variable} compares something that may be no ${types.join(' or ')}`);
  }
  if (comparison.endsWith('Equals') && !comparison.includes('Than') && 'const' in value) {
    return { isMet: value.const === operand, isUnmet: value.const !== operand };
  }
  return { isMet: true, isUnmet: true };
}

/** The input once for each thing that the variable may be: absent, or of one type, or one constant. */
function casesOf(given: Shape, variable: string): Shape[] {
  const names = variable.split('.').slice(1);
  return variantsOf(given).flatMap((variant) => casesBelow(variant, names));
}

function casesBelow(shape: Shape, [name, ...rest]: readonly string[]): Shape[] {
  if (name === undefined) return variantsOf(shape);
  const { properties = {}, required = [] } = shape;
  const property = properties[name];
  if (property === undefined) return [shape];
  const others = Object.fromEntries(Object.entries(properties).filter(([other]) => other !== name));
  const present = variantsOf(property)
    .flatMap((variant) => casesBelow(variant, rest))
    .map((variant) => ({
      ...shape,
      properties: { ...properties, [name]: variant },
      required: [...new Set([...required, name])].sort(),
    }));
  return required.includes(name) ? present : [...present, { ...shape, properties: others }];
}

/** undefined where the variable is absent. */
function valueAt(shape: Shape, variable: string): Shape | undefined {
  let value: Shape | undefined = shape;
  for (const name of variable.split('.').slice(1)) value = value?.properties?.[name];
  return value;
}

function asUnion(shapes: readonly Shape[]): Shape | undefined {
  return shapes.length === 0 ? undefined : union(shapes);
}
