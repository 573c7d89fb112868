import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildSync, type BuildOptions, type Metafile } from 'esbuild';
import { toolVersion } from '../bin/local/tool-version.ts';

const HANDLERS = join(import.meta.dirname, '..', 'lambdas', 'handlers');

/** Where the SDK looks for credentials after the environment, which a function always has; loaded only then. */
const CREDENTIALS_OF_PEOPLE = ['ini', 'login', 'process', 'sso', 'web-identity'].map(
  (source) => `@aws-sdk/credential-provider-${source}`,
);

/** Dependencies that are CommonJS call `require`, which an ES module does not have. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** How bundles for Node are built. */
export const BUNDLED = {
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  mainFields: ['module', 'main'],
  banner: { js: REQUIRE },
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** The bundled functions: the directory of each, ready to be a Lambda's code with the handler `index.handler`. */
export interface Bundles {
  readonly directories: Readonly<Record<string, string>>;
  /** What went into which file, as esbuild tells. */
  readonly metafile: Metafile;
}

/** Bundles every function below `lambdas/handlers` with all it imports, the SDK's clients included, so that versions are ours. */
export function bundleFunctions(outDirectory: string): Bundles {
  const names = readdirSync(HANDLERS).map((file) => basename(file, '.ts'));
  const { metafile } = buildSync({
    ...BUNDLED,
    entryPoints: Object.fromEntries(names.map((name) => [join(name, 'index'), join(HANDLERS, `${name}.ts`)])),
    outdir: outDirectory,
    minify: true,
    metafile: true,
    // Traces name our lines; the sources themselves need not be deployed for that.
    sourcemap: true,
    sourcesContent: false,
    external: CREDENTIALS_OF_PEOPLE,
    define: { 'process.env.LIFEBOAT_VERSION': JSON.stringify(toolVersion()) },
  });
  return { directories: Object.fromEntries(names.map((name) => [name, join(outDirectory, name)])), metafile };
}
