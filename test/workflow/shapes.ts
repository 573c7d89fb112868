/**
 * What is known of a JSON value before a machine runs: a JSON Schema of the kinds that `z.toJSONSchema` writes. What is
 * given is compared with what is wanted; a keyword that is not understood here is an error, never a pass.
 */
export interface Shape {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Shape;
  readonly items?: Shape;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

const UNDERSTOOD: ReadonlySet<string> = new Set<keyof Shape | '$schema' | 'description' | 'default' | 'propertyNames'>([
  ...(['type', 'const', 'enum', 'anyOf', 'properties', 'required', 'additionalProperties', 'items'] as const),
  ...(['format', 'pattern', 'minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'] as const),
  ...(['minLength', 'maxLength', 'minItems', 'maxItems', '$schema', 'description', 'default'] as const),
  // Of `z.record(z.string(), …)`; keys of JSON are strings anyway.
  'propertyNames',
]);

/** Bounds as pairs: what is given must be at least as tight as what is wanted. */
const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const;
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const;

/** A path that leads nowhere, or a use that the value's shape does not allow. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** The shape of a literal: constants in objects and arrays. */
export function shapeOfLiteral(value: unknown): Shape {
  if (Array.isArray(value)) {
    return { type: 'array', items: union(value.map(shapeOfLiteral)), minItems: value.length, maxItems: value.length };
  }
  if (typeof value !== 'object' || value === null) return { type: typeOfValue(value), const: value };
  return objectShape(Object.entries(value).map(([name, part]) => [name, shapeOfLiteral(part)]));
}

/** An object with exactly these properties. */
export function objectShape(properties: readonly (readonly [name: string, shape: Shape])[]): Shape {
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: properties.map(([name]) => name),
    additionalProperties: false,
  };
}

/** One of these. */
export function union(shapes: readonly Shape[]): Shape {
  const distinct = [...new Map(shapes.flatMap(variantsOf).map((shape) => [JSON.stringify(shape), shape])).values()];
  const [only] = distinct;
  return distinct.length === 1 && only !== undefined ? only : { anyOf: distinct };
}

/** What a value may be, one type or one constant each. */
export function variantsOf(shape: Shape): Shape[] {
  const { anyOf, enum: values, type, ...rest } = shape;
  if (anyOf !== undefined) return anyOf.flatMap(variantsOf);
  if (values !== undefined) return values.map((value) => ({ type: typeOfValue(value), const: value }));
  if (Array.isArray(type)) return type.map((one: string) => ({ ...rest, type: one }));
  return [shape];
}

/** Follows a reference path such as `$.point.id`. ShapeError when it leads nowhere in any of the cases. */
export function select(shape: Shape, path: string): Shape {
  return parsePath(path).reduce<Shape>(
    (from, segment) => union(variantsOf(from).map((variant) => stepInto(variant, segment, path))),
    shape,
  );
}

/** Puts a value at a path, as ResultPath does. ShapeError where that is no object. */
export function assign(shape: Shape, path: string, value: Shape): Shape {
  return assignAt(shape, parsePath(path), value, path);
}

/** What of `given` does not fit `wanted`, a phrase each; nothing when every value of the one is a value of the other. */
export function misfits(given: Shape, wanted: Shape, where = 'it'): string[] {
  const accepted = variantsOf(wanted);
  const reasons = variantsOf(given).flatMap((variant) => {
    const attempts = accepted.map((candidate) => differences(variant, candidate, where));
    return attempts.toSorted((a, b) => a.length - b.length)[0] ?? [`${where} is never right`];
  });
  return [...new Set(reasons)];
}

function differences(given: Shape, wanted: Shape, where: string): string[] {
  const strange = Object.keys(wanted).filter((keyword) => !UNDERSTOOD.has(keyword));
  if (strange.length > 0) return [`${where} is described by ${strange.join(', ')}, which nothing here understands`];
  if (wanted.type !== undefined && !isOfType(given.type, wanted.type)) {
    return [`${where} is ${nameOf(given)} and not ${nameOf(wanted)}`];
  }
  if ('const' in wanted && !('const' in given && given.const === wanted.const)) {
    return [`${where} is ${nameOf(given)} and not ${nameOf(wanted)}`];
  }
  if (given.type === 'object') return objectDifferences(given, wanted, where);
  if (given.type === 'array' && wanted.items !== undefined) {
    const inItems = given.maxItems === 0 ? [] : misfits(given.items ?? {}, wanted.items, `${where}[]`);
    return [...inItems, ...looserBounds(given, wanted, where)];
  }
  return 'const' in given ? constantDifferences(given.const, wanted, where) : looserBounds(given, wanted, where);
}

function objectDifferences(given: Shape, wanted: Shape, where: string): string[] {
  const { properties: known = {}, required: certain = [] } = given;
  const { properties = {}, required = [], additionalProperties: others = true } = wanted;
  const lacking = required
    .filter((name) => !certain.includes(name))
    .map((name) => `${where} ${name in known ? 'may lack' : 'lacks'} "${name}"`);
  const inside = Object.entries(known).flatMap(([name, shape]) => {
    const property = properties[name];
    if (property !== undefined) return misfits(shape, property, `${where}.${name}`);
    if (others === false) return [`${where} may not have "${name}"`];
    return others === true ? [] : misfits(shape, others, `${where}.${name}`);
  });
  const unknown =
    others !== true && given.additionalProperties !== false
      ? [`${where} may have properties that nobody knows of`]
      : [];
  return [...lacking, ...inside, ...unknown];
}

function constantDifferences(value: unknown, wanted: Shape, where: string): string[] {
  const tooLow = typeof value === 'number' && value < (wanted.minimum ?? -Infinity);
  const tooHigh = typeof value === 'number' && value > (wanted.maximum ?? Infinity);
  const notAbove = typeof value === 'number' && value <= (wanted.exclusiveMinimum ?? -Infinity);
  const tooShort = typeof value === 'string' && value.length < (wanted.minLength ?? 0);
  const tooLong = typeof value === 'string' && value.length > (wanted.maxLength ?? Infinity);
  const isOff =
    typeof value === 'string' && wanted.pattern !== undefined && !new RegExp(wanted.pattern, 'u').test(value);
  const isUnknown = wanted.format !== undefined && wanted.pattern === undefined;
  return tooLow || tooHigh || notAbove || tooShort || tooLong || isOff || isUnknown
    ? [`${where} is ${JSON.stringify(value)}, which is not allowed`]
    : [];
}

function looserBounds(given: Shape, wanted: Shape, where: string): string[] {
  const isLoose = (keyword: keyof Shape) => {
    const [bound, own] = [wanted[keyword], given[keyword]];
    if (bound === undefined) return false;
    if (typeof bound !== 'number' || typeof own !== 'number') return own !== bound;
    return (LOWER as readonly string[]).includes(keyword) ? own < bound : own > bound;
  };
  // A positive integer is one of at least 1.
  const isPositive = wanted.exclusiveMinimum === 0 && given.type === 'integer' && (given.minimum ?? 0) >= 1;
  const isFromZero = wanted.minimum === 0 && (given.exclusiveMinimum ?? -1) >= 0;
  return (['format', 'pattern', ...LOWER, ...UPPER] as const)
    .filter((keyword) => !(isPositive && keyword === 'exclusiveMinimum') && !(isFromZero && keyword === 'minimum'))
    .filter(isLoose)
    .map((keyword) => `${where} is not sure to have the ${keyword} ${String(wanted[keyword])}`);
}

function stepInto(shape: Shape, segment: string | number, path: string): Shape {
  if (typeof segment === 'number') {
    if (shape.type !== 'array') throw new ShapeError(`${path} looks for an item in ${nameOf(shape)}`);
    if ((shape.minItems ?? 0) <= segment)
      throw new ShapeError(`${path} may lead nowhere: there may be no item ${segment}`);
    return shape.items ?? {};
  }
  if (shape.type !== 'object') throw new ShapeError(`${path} looks for "${segment}" in ${nameOf(shape)}`);
  const property = shape.properties?.[segment];
  if (property === undefined) throw new ShapeError(`${path} leads nowhere: there is no "${segment}"`);
  if (shape.required?.includes(segment) === true) return property;
  throw new ShapeError(`${path} may lead nowhere: "${segment}" is optional`);
}

function assignAt(shape: Shape, segments: readonly (string | number)[], value: Shape, path: string): Shape {
  const [name, ...rest] = segments;
  if (name === undefined) return value;
  if (typeof name === 'number') throw new ShapeError(`${path} writes into an array`);
  return union(
    variantsOf(shape).map((variant) => {
      if (variant.type !== 'object') throw new ShapeError(`${path} writes into ${nameOf(variant)}`);
      const { properties = {}, required = [] } = variant;
      const inside = assignAt(properties[name] ?? objectShape([]), rest, value, path);
      return {
        ...variant,
        properties: { ...properties, [name]: inside },
        required: [...new Set([...required, name])].sort(),
      };
    }),
  );
}

/** Reference paths alone: what a filter or a wildcard finds is not known before the machine runs. */
function parsePath(path: string): (string | number)[] {
  if (!/^\$(\.[A-Za-z_][\w-]*|\['[^']+'\]|\[\d+\])*$/.test(path)) throw new ShapeError(`${path} is no plain path`);
  return [...path.matchAll(/\.([\w-]+)|\['([^']+)'\]|\[(\d+)\]/g)].map(([, dotted, quoted, index]) =>
    index === undefined ? (dotted ?? quoted ?? '') : Number(index),
  );
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function isOfType(given: Shape['type'], wanted: NonNullable<Shape['type']>): boolean {
  return given === wanted || (given === 'integer' && wanted === 'number');
}

function nameOf(shape: Shape): string {
  if ('const' in shape) return JSON.stringify(shape.const);
  return typeof shape.type === 'string' ? shape.type : 'unknown';
}
