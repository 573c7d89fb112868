import { describe, expect, it } from '@jest/globals';
import { transfersTooLong } from '../../../lambdas/domain/transfer-time.ts';

const GIB = 1024 ** 3;
/** What a function of 15 minutes has, less what it keeps to undo things. */
const SECONDS = 890;

const lacking = (gibibytes: number, way: 'attach' | 'presigned-url', seconds: number | undefined = SECONDS) =>
  transfersTooLong([{ datastore: 'main', sizeBytes: gibibytes * GIB }], way, seconds);

describe('the time of a function', () => {
  it('is enough for 8 GiB, however many members get them one a call, and for staging them', () => {
    expect(lacking(8, 'attach')).toEqual([]);
    expect(lacking(8, 'presigned-url')).toEqual([]);
  });

  it('would not be enough for three members in one call', () => {
    expect(lacking(3 * 8, 'attach')).toEqual([
      'the snapshot of datastore main (24.0 GiB) takes about 1289 s to a member through the API server, and a function has 890 s: ' +
        'set restore.transfer to presigned-url, or restore with the command line, where nothing ends it',
    ]);
  });

  it('sends to the command line what not even the staging has time for', () => {
    expect(lacking(40, 'attach')).toEqual([expect.stringMatching(/890 s: restore with the command line/)]);
    expect(lacking(40, 'presigned-url')).toEqual([expect.stringMatching(/about 1074 s to stage, .* restore with/)]);
  });

  it('is no limit where nothing ends a call', () => {
    expect(transfersTooLong([{ datastore: 'main', sizeBytes: 400 * GIB }], 'attach', undefined)).toEqual([]);
  });
});
