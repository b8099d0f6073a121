/**
 * @file Packs all that run.ts needs into parts small enough to carry to a machine without network, Node or Krona.
 *
 *   npx tsx bench/gpu/pack.ts --to FOLDER [--provider WHEEL] [--architecture 90] [--wheels FOLDER] [--part 60]
 *
 * --provider: a wheel of onnxruntime-gpu of the runtime's version; without it, the machine must have one installed.
 * --architecture: 10 × the card's compute capability; other code is cut out of the provider. --wheels: Python packages
 * that the machine lacks, such as diffusers. --part: size of a part, MiB. It calls tar and xz.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { openProviderPackage } from '../../cli/device-install/provider-package.ts';
import { embeddedModel, runtimeVersion, version } from '../../core/package.ts';
import { PROVIDER, PROVIDER_FILES, runtimeFolder } from '../../gpu-worker/graph/cuda-libraries.ts';
import { keepArchitecture } from './one-architecture.ts';

const { values: given } = parseArgs({
  options: {
    to: { type: 'string' },
    provider: { type: 'string' },
    architecture: { type: 'string' },
    wheels: { type: 'string' },
    part: { type: 'string', default: '60' },
  },
});
if (given.to === undefined) throw new Error('--to FOLDER is missing');

const here = import.meta.dirname;
const work = await mkdtemp(join(tmpdir(), 'krona-pack-'));
const root = join(work, 'krona-gpu');
try {
  await program();
  await runtime();
  await mkdir(given.to, { recursive: true });
  await copyFile(join(here, 'run.sh'), join(given.to, 'run.sh'));
  const archive = join(work, 'krona-gpu.tar.xz');
  execFileSync('tar', ['-C', work, '-cf', archive, '-I', 'xz -T0 -3', 'krona-gpu'], { stdio: 'inherit' });
  await split(archive, given.to, Number(given.part) * 2 ** 20);
} finally {
  await rm(work, { recursive: true });
}

/** Krona as one file, with what it reads at run time. */
async function program(): Promise<void> {
  await mkdir(root);
  await build({
    entryPoints: [join(here, 'run.ts')],
    outfile: join(root, 'run.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['onnxruntime-node', 'sharp'],
    // Packages in the old form call require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const described = {
    name: 'krona',
    version,
    type: 'module',
    exports: { './package.json': './package.json' },
  };
  await writeFile(join(root, 'package.json'), JSON.stringify(described));
  await copyFile(join(here, 'rivals.py'), join(root, 'rivals.py'));
  await cp(embeddedModel, join(root, 'models/krona-emoji'), { recursive: true });
  await copyFile(process.execPath, join(root, 'node'));
  if (given.wheels !== undefined) await cp(given.wheels, join(root, 'wheels'), { recursive: true });
}

/** onnxruntime-node for this platform alone, with the provider. */
async function runtime(): Promise<void> {
  const require = createRequire(import.meta.url);
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    const from = packageFolder(require.resolve(name), name);
    const to = join(root, 'node_modules', name);
    await mkdir(to, { recursive: true });
    for (const part of ['package.json', 'dist'])
      await cp(join(from, part), join(to, part), {
        recursive: true,
        filter: (path) => !/\.(map|d\.ts)$|\/(esm|ort[^/]*)$/.test(path),
      });
  }
  const folder = join(
    root,
    'node_modules/onnxruntime-node',
    runtimeFolder.split('onnxruntime-node/').at(-1) ?? '',
  );
  await cp(runtimeFolder, folder, { recursive: true, filter: (path) => !/providers|krona-cuda/.test(path) });
  if (given.provider === undefined) return;
  const found = await openProviderPackage(given.provider);
  if (found.version !== runtimeVersion)
    throw new Error(`the provider is of onnxruntime ${found.version}, the runtime is ${runtimeVersion}`);
  for (const name of PROVIDER_FILES) {
    const bytes = await found.read(name);
    if (name === PROVIDER && given.architecture !== undefined)
      process.stderr.write(`${keepArchitecture(bytes, Number(given.architecture))} kinds of code kept\n`);
    await writeFile(join(folder, name), bytes, { mode: 0o755 });
  }
}

function packageFolder(file: string, name: string): string {
  let folder = dirname(file);
  while (!folder.endsWith(`node_modules/${name}`)) folder = dirname(folder);
  return folder;
}

/** krona-gpu.tar.xz.00, .01 …: `cat` puts them together. */
async function split(path: string, to: string, part: number): Promise<void> {
  for (const name of await readdir(to)) if (name.startsWith('krona-gpu.tar.xz.')) await rm(join(to, name));
  const { size } = await stat(path);
  const file = await open(path);
  for (let index = 0; index * part < size; index++) {
    const bytes = Buffer.alloc(Math.min(part, size - index * part));
    await file.read(bytes, 0, bytes.length, index * part);
    const name = `krona-gpu.tar.xz.${String(index).padStart(2, '0')}`;
    await writeFile(join(to, name), bytes);
    process.stdout.write(`${name} ${(bytes.length / 2 ** 20).toFixed(1)} MiB\n`);
  }
  await file.close();
}
