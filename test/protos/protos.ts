/**
 * `npm run protos`: generates lambdas/datastores/etcd/wire/generated/ from the .proto files of the newer etcd on the test bed. They come
 * as Go modules, checked against the sums of the test bed's own; their versions are raised there.
 */
import { copyFile, glob, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { requireCommand } from '../testbed/command.ts';
import { requireGo } from '../testbed/go-build.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = join(ROOT, 'node_modules', '.bin');
const MODULES = join(ROOT, 'test', 'testbed', 'modules');
/** What is committed. */
export const GENERATED = join(ROOT, 'lambdas', 'datastores', 'etcd', 'wire', 'generated');
/** It imports those of keys and of users and roles. */
const API = 'etcd/api/etcdserverpb/rpc.proto';

/** Where a path that the .proto files import is: the folder of a Go module that one of the test bed's modules requires. */
const IMPORTS = [
  { path: 'etcd/api', requiredBy: 'kubernetes', module: 'go.etcd.io/etcd/api/v3', folder: '.' },
  { path: 'gogoproto', requiredBy: 'kubernetes', module: 'github.com/gogo/protobuf', folder: 'gogoproto' },
  {
    path: 'protoc-gen-openapiv2',
    requiredBy: 'kubernetes',
    module: 'github.com/grpc-ecosystem/grpc-gateway/v2',
    folder: 'protoc-gen-openapiv2',
  },
  {
    path: 'google/api',
    requiredBy: 'etcd35',
    module: 'github.com/grpc-ecosystem/grpc-gateway',
    folder: 'third_party/googleapis/google/api',
  },
];

/** Options for etcd's own generators: left out, with the files that define them, which every bundle would carry. */
const OPTIONS_OF_OTHERS = ['gogoproto', 'google.api', 'google.protobuf', 'grpc.gateway', 'versionpb'];

const downloadSchema = z.object({ Dir: z.string() });

/** Generates the messages into a directory, which is emptied before. TestbedError when a program fails or Go is missing. */
export async function generateMessages(directory: string): Promise<void> {
  await requireGo();
  const scratch = await mkdtemp(join(tmpdir(), 'lifeboat-protos-'));
  const protos = join(scratch, 'protos');
  try {
    for (const { path, requiredBy, module, folder } of IMPORTS) {
      const source = join(await download(module, join(MODULES, requiredBy)), folder);
      for await (const file of glob('**/*.proto', { cwd: source })) {
        const copy = join(protos, path, file);
        await mkdir(dirname(copy), { recursive: true });
        await copyFile(join(source, file), copy);
      }
    }
    const template = {
      version: 'v2',
      plugins: [
        {
          local: join(PROGRAMS, 'protoc-gen-es'),
          out: directory,
          // Node strips types and does not compile: no enums, and imports say where a file is.
          opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
          include_imports: true,
          exclude_types: OPTIONS_OF_OTHERS,
        },
      ],
    };
    await rm(directory, { recursive: true, force: true });
    await requireCommand(
      join(PROGRAMS, 'buf'),
      ['generate', protos, '--path', join(protos, API), '--template', JSON.stringify(template)],
      { env: { ...process.env, BUF_CACHE_DIR: join(scratch, 'cache') } },
    );
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** The directory of a Go module, at the version that another one requires. */
async function download(module: string, requiredIn: string): Promise<string> {
  const options = { env: { ...process.env, GOTOOLCHAIN: 'local' }, timeoutSeconds: 300 };
  const answer = await requireCommand('go', ['-C', requiredIn, 'mod', 'download', '-json', module], options);
  return downloadSchema.parse(JSON.parse(answer)).Dir;
}

if (import.meta.main) await generateMessages(GENERATED);
