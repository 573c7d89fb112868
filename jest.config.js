// Without the attribute of an import Jest refuses JSON before long.
const SWC = { target: 'es2024', parser: { syntax: 'typescript' }, experimental: { keepImportAttributes: true } };

// Suites by what they need: unit nothing, workflow the machines' files and an etcd, stack CDK, contract local servers, e2e and deployed the test
// bed (Linux and root).
const suite = (name, extra = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  // Not in the temporary directory, of which some suites have their own.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { jsc: SWC }] },
  // See there: under jest, Node's own errors are no instances of Error.
  setupFiles: ['<rootDir>/test/core-errors.ts'],
  ...extra,
});

const ON_THE_BED = { globalSetup: '<rootDir>/test/e2e/setup.ts', globalTeardown: '<rootDir>/test/e2e/teardown.ts' };

export default {
  // Ends what hangs; a slow machine must not fail a test.
  testTimeout: 60_000,
  projects: [
    suite('unit'),
    suite('workflow'),
    suite('stack'),
    suite('contract'),
    suite('e2e', ON_THE_BED),
    suite('deployed', ON_THE_BED),
  ],
};
