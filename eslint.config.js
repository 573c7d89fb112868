import tseslint from 'typescript-eslint';

// Imports go one way (README, "Where things live"); a room may not reach the rooms listed for it.
const mayNotImport = (room, ...rooms) => ({
  files: [`${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: rooms.map((other) => ({ regex: `^(\\.\\./)+${other}/`, message: `${room} may not import ${other}` })),
      },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/'] },
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
    },
  },
  mayNotImport('lambdas/domain', 'store', 'kube', 'platforms', 'datastores', 'recovery-points', 'handlers', 'bin'),
  mayNotImport('lambdas/kube', 'store', 'platforms', 'datastores', 'recovery-points', 'handlers', 'bin'),
  mayNotImport('lambdas/store', 'kube', 'platforms', 'datastores', 'recovery-points', 'handlers', 'bin'),
  mayNotImport('lambdas/datastores', 'platforms', 'recovery-points', 'handlers', 'bin'),
  mayNotImport('lambdas/platforms', 'datastores', 'store', 'recovery-points', 'handlers', 'bin'),
  mayNotImport('lambdas/recovery-points', 'handlers', 'bin'),
);
