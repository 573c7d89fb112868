import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { GENERATED, generateMessages } from '../../protos/protos.ts';
import { isWhole } from '../../suite/extent.ts';

describe("etcd's messages", () => {
  // Where Go has not built the test bed before, their definitions come over the network.
  (isWhole ? it : it.skip)('are what "npm run protos" makes of the etcd on the test bed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-protos-'));
    try {
      await generateMessages(directory);
      const generated = await textsIn(directory);
      expect(generated.size).toBeGreaterThan(0);
      expect(await textsIn(GENERATED)).toEqual(generated);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

async function textsIn(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const texts = files.map(async (file) => [file.slice(directory.length), await readFile(file, 'utf8')] as const);
  return new Map(await Promise.all(texts));
}
