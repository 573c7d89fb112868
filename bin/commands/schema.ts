import * as z from 'zod';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { EVENT_DETAILS } from '../../lambdas/domain/events.ts';
import type { CommandResult } from './result.ts';

/** What there is a schema of: `lifeboat.yaml`, for editors; the details of events, by detail type, for their readers. */
export const SCHEMAS = ['configuration', 'events'] as const;
export type SchemaName = (typeof SCHEMAS)[number];

/** `lifeboat schema <what>`: JSON Schema, draft 2020-12. */
export function schema(name: SchemaName): CommandResult {
  const json = name === 'configuration' ? jsonSchema(configurationSchema, 'input') : eventSchemas();
  return { json, text: JSON.stringify(json, undefined, 2) };
}

function eventSchemas(): object {
  const schemas = Object.entries(EVENT_DETAILS).map(([type, detail]) => [type, jsonSchema(detail, 'output')] as const);
  return Object.fromEntries(schemas.map(([type, detail]) => [type, { ...detail, title: type }]));
}

function jsonSchema(of: z.ZodType, io: 'input' | 'output'): object {
  return z.toJSONSchema(of, {
    target: 'draft-2020-12',
    io,
    // The limit of JavaScript's numbers is nothing that a reader has to know.
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
}
