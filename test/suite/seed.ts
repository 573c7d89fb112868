/**
 * Seed of everything random in a test file: LIFEBOAT_TEST_SEED when set, else another one in each run, printed so that a
 * failure can be repeated.
 */
export const seed = Number(process.env['LIFEBOAT_TEST_SEED'] ?? Date.now() % 2 ** 31);
process.stderr.write(`LIFEBOAT_TEST_SEED=${seed}\n`);
