import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { openStore } from '../../../lambdas/store/open-store.ts';
import { S3Store } from '../../../lambdas/store/s3-store.ts';

describe('openStore', () => {
  it.each([
    ['./recovery-points', '/base/recovery-points'],
    ['recovery-points/', '/base/recovery-points'],
    ['../elsewhere', '/elsewhere'],
    ['/var/lib/lifeboat', '/var/lib/lifeboat'],
  ])('takes %s for the directory %s', async (location, directory) => {
    const store = await openStore(location, {}, '/base');
    expect(store).toBeInstanceOf(DirectoryStore);
    expect(store.location).toBe(directory);
  });

  it('takes the working directory for the base of a relative one', async () => {
    expect((await openStore('points')).location).toBe(join(process.cwd(), 'points'));
  });

  it.each([
    ['s3://backups', 's3://backups'],
    ['s3://backups/', 's3://backups'],
    ['s3://backups.example-1/lifeboat/prod/', 's3://backups.example-1/lifeboat/prod'],
  ])('takes %s for %s', async (location, normal) => {
    const store = await openStore(location, { region: 'eu-central-1' });
    expect(store).toBeInstanceOf(S3Store);
    expect(store.location).toBe(normal);
  });

  it.each([
    ['', /is empty/],
    ['~/points', /"~" is not replaced/],
    ['gs://backups', /"gs:" is not supported/],
    ['file:///points', /"file:" is not supported/],
    ['https://bucket.s3.amazonaws.com/x', /"https:" is not supported/],
    ['s3:backups', /no valid bucket/],
    ['s3:///prefix', /no valid bucket/],
    ['s3://Backups/x', /no valid bucket/],
    ['s3://ab', /no valid bucket/],
    ['S3://backups', /no valid bucket/],
    ['s3://backups//x', /empty segment/],
    ['s3://backups/../x', /begins with a dot/],
    ['s3://backups/x?versionId=1', /"\?"/],
  ])('refuses %j and says what would do', async (location, why) => {
    const refusal = openStore(location);
    await expect(refusal).rejects.toThrow(ConfigurationError);
    await expect(refusal).rejects.toThrow(why);
    await expect(refusal).rejects.toHaveProperty('remedy', expect.stringContaining('s3://bucket/prefix'));
  });
});
