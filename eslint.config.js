import tseslint from 'typescript-eslint';

// With the name "z" zod brings every language it speaks: 350 kB more in each bundle.
const NAMED_ZOD = {
  selector: 'ImportDeclaration[source.value="zod"] > ImportSpecifier',
  message: "Write import * as z from 'zod'.",
};

// Of a machine its list of steps is for everybody; how it is described is for those who write it.
const DESCRIPTIONS = 'statemachines(?!/.*/(steps|pascal-case)\\.ts$)';

// Imports go one way (docs/how-it-works.md, "Where things live"); a room may not reach the rooms listed for it.
const mayNotImport = (room, ...rooms) => ({
  files: [`${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [...rooms, DESCRIPTIONS].map((other) => ({
          regex: `^(\\.\\./)+${other}/`,
          message: `${room} may not import ${other}`,
        })),
      },
    ],
  },
});

// How the data of one kind are taken, read and compared is for its driver to know.
const OTHER_THAN_DRIVERS = 'datastores(?!/(driver|registry)\\.ts$)';

// What one folder of a room imports of its siblings but the shared one. They stand beside each other, so it begins with one "../".
const mayNotImportSiblings = (room, shared) => {
  const patterns = room.rules['no-restricted-imports'][1].patterns;
  const regex = `^\\.\\./(?!\\.\\./|${shared}/)[^/]+/`;
  const message = `a folder may not import its sibling, except ${shared}`;
  return {
    files: room.files.map((files) => files.replace('/**/', '/*/**/')),
    rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, { regex, message }] }] },
  };
};

const ABOVE_OPERATIONS = ['control-planes', 'policy-runs', 'restores', 'handlers', 'runtime', 'bin', 'lib'];
const ABOVE_ROOMS = ['recovery-points', 'operations', ...ABOVE_OPERATIONS];
const ABOVE_DOMAIN = ['store', 'kube', 'platforms', 'datastores', 'events', ...ABOVE_ROOMS];

const PLATFORMS = mayNotImport('lambdas/platforms', 'datastores', 'store', ...ABOVE_ROOMS);

const ABOVE_RESTORES = ['policy-runs', 'handlers', 'runtime', 'bin', 'lib'];
const STRATEGIES = mayNotImport('lambdas/restores/strategies', 'phases', ...ABOVE_RESTORES);

export default tseslint.config(
  // What is generated is as long as etcd's API, and in its generator's style.
  { ignores: ['dist/', 'node_modules/', 'cdk.out/', 'lambdas/datastores/etcd/wire/generated/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      'max-lines': ['error', 400],
      'no-restricted-syntax': ['error', NAMED_ZOD],
    },
  },
  mayNotImport('lambdas/domain', ...ABOVE_DOMAIN),
  mayNotImport('lambdas/aws', ...ABOVE_DOMAIN),
  mayNotImport('lambdas/kube', 'store', 'platforms', 'datastores', ...ABOVE_ROOMS),
  mayNotImport('lambdas/store', 'kube', 'platforms', 'datastores', ...ABOVE_ROOMS),
  mayNotImport('lambdas/events', 'kube', 'store', 'platforms', 'datastores', ...ABOVE_ROOMS),
  mayNotImport('lambdas/datastores', 'platforms', ...ABOVE_ROOMS),
  PLATFORMS,
  mayNotImportSiblings(PLATFORMS, 'statefulset-etcd'),
  mayNotImport(
    'lambdas/recovery-points',
    OTHER_THAN_DRIVERS,
    ...ABOVE_ROOMS.filter((room) => room !== 'recovery-points'),
  ),
  mayNotImport('lambdas/operations', ...ABOVE_OPERATIONS),
  mayNotImport('lambdas/control-planes', ...ABOVE_OPERATIONS.filter((room) => room !== 'control-planes')),
  mayNotImport('lambdas/policy-runs', OTHER_THAN_DRIVERS, 'restores', 'handlers', 'runtime', 'bin', 'lib'),
  mayNotImport('lambdas/restores', OTHER_THAN_DRIVERS, ...ABOVE_RESTORES),
  // A strategy knows the one kind of datastore that it puts back.
  STRATEGIES,
  mayNotImportSiblings(STRATEGIES, 'strategy'),
  mayNotImport('lambdas/handlers', 'bin', 'lib'),
  // Machines are described, they do nothing: of the rooms they know the errors.
  mayNotImport('statemachines', 'lambdas(?!/domain/errors\\.ts$)', 'bin', 'lib'),
);
