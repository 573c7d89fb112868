import * as z from 'zod';

const fieldSchema = z.array(z.union([z.string(), z.strictObject({ wildcard: z.string() })]));

/**
 * Whether a rule's pattern takes an event in, as far as our rules use patterns: EventBridge User Guide, "Creating event
 * patterns". Throws at an operator that it does not know, so that no rule passes unread.
 */
export function matchesPattern(pattern: unknown, event: unknown): boolean {
  return Object.entries(z.record(z.string(), z.unknown()).parse(pattern)).every(([name, wanted]) => {
    const value = (event as Readonly<Record<string, unknown>> | undefined)?.[name];
    if (!Array.isArray(wanted)) return matchesPattern(wanted, value);
    return fieldSchema.parse(wanted).some((option) => {
      if (typeof option === 'string') return option === value;
      const parts = option.wildcard.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
      return typeof value === 'string' && new RegExp(`^${parts.join('.*')}$`, 's').test(value);
    });
  });
}
