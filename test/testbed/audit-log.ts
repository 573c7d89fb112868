import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';

/** The verbs by which a request changes something. */
export const WRITE_VERBS = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** One request for an object or a list of objects. */
export interface AuditEntry {
  readonly user: string;
  readonly verb: string;
  /** With its subresource, as RBAC writes it, e.g. `pods/attach`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** When the API server received it. */
  readonly time: Date;
  /** Status of the answer. */
  readonly status: number;
}

/** audit.k8s.io/v1, at level Metadata. */
const eventSchema = z.object({
  auditID: z.string(),
  verb: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z
    .object({
      resource: z.string().optional(),
      subresource: z.string().optional(),
      namespace: z.string().optional(),
      name: z.string().optional(),
    })
    .optional(),
  responseStatus: z.object({ code: z.int().default(0) }).optional(),
  requestReceivedTimestamp: z.coerce.date(),
});

/** What a user has asked for since a moment, in the order of the log. Requests for no object, such as `/version`, are left out. */
export async function readAuditEntries(path: string, user: string, since: Date): Promise<AuditEntry[]> {
  const entries = new Map<string, AuditEntry>();
  for (const file of await filesOf(path, since)) {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      if (!line.includes(user)) continue;
      const event = parseLine(line);
      const { resource, subresource, namespace, name } = event?.objectRef ?? {};
      if (event === undefined || resource === undefined || event.user.username !== user) continue;
      if (event.requestReceivedTimestamp < since) continue;
      // A long request is there twice, when it begins and when it ends.
      entries.set(event.auditID, {
        user,
        verb: event.verb,
        resource: subresource === undefined ? resource : `${resource}/${subresource}`,
        namespace,
        name,
        time: event.requestReceivedTimestamp,
        status: event.responseStatus?.code ?? 0,
      });
    }
  }
  return [...entries.values()];
}

/** The last line may be half written. */
function parseLine(line: string): z.infer<typeof eventSchema> | undefined {
  try {
    return eventSchema.parse(JSON.parse(line));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The log and the full ones that were put aside as `audit-<time>.log`, oldest first, as far as they reach into the time. */
async function filesOf(path: string, since: Date): Promise<string[]> {
  const directory = dirname(path);
  const stem = basename(path, '.log');
  const names = (await readdir(directory)).filter((name) => name.startsWith(stem) && name.endsWith('.log')).sort();
  const files = names.map((name) => join(directory, name));
  const times = await Promise.all(files.map(async (file) => (await stat(file)).mtime));
  return files.filter((_, index) => (times[index] ?? since) >= since);
}
