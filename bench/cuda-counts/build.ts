/**
 * @file Builds the make-believe card: card.cpp, and a function that does nothing for every other one that the provider
 * asks for. NVIDIA's headers are needed to compile and are not part of the result; no code of NVIDIA's is.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { neededLibraries } from '../../gpu-worker/graph/needed-libraries.ts';

/** Names that the provider looks up at run time, when it first needs cuDNN. */
const CUDNN_NAME = /\bcudnn[A-Z][A-Za-z0-9_]+(?=\0)/g;

/**
 * @param provider - path of libonnxruntime_providers_cuda.so
 * @param headers - folders with cuda_runtime_api.h and crt/host_defines.h
 * @param to - folder for the libraries, to be given as KRONA_CUDA_PATH
 */
export async function buildCard(provider: string, headers: readonly string[], to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const source = await readFile(join(import.meta.dirname, 'card.cpp'), 'utf8');
  const symbols = execFileSync('nm', ['-D', '--undefined-only', provider], { encoding: 'utf8' });
  const linked = [...symbols.matchAll(/ U (\w*cu[A-Za-z]\w*)/g)].map(([, name = '']) => name);
  const looked = (await readFile(provider)).toString('latin1').match(CUDNN_NAME) ?? [];
  const others = [...new Set([...linked, ...looked])].filter(
    (name) => /^_*cu/.test(name) && !new RegExp(`\\b${name}\\(`).test(source),
  );
  await writeFile(join(to, 'others.c'), `#include <stdlib.h>\n${others.map(nothing).join('\n')}\n`);
  const compile = (language: string, file: string, out: string, ...more: string[]): void => {
    execFileSync(language, ['-O1', '-w', '-shared', '-fPIC', '-o', join(to, out), file, ...more]);
  };
  const include = headers.map((folder) => `-I${folder}`);
  execFileSync('gcc', ['-O1', '-w', '-fPIC', '-c', '-o', join(to, 'others.o'), join(to, 'others.c')]);
  compile(
    'g++',
    join(import.meta.dirname, 'card.cpp'),
    'libcard.so',
    ...['-std=c++17', ...include, join(to, 'others.o'), '-Wl,-soname,libcard.so'],
  );
  // Under the names that the provider and cuDNN's loader ask for.
  const names = [...neededLibraries(provider).filter((name) => name.startsWith('libcu')), 'libcudnn.so.9'];
  await writeFile(join(to, 'empty.c'), 'int card_empty;\n');
  for (const name of names)
    compile(
      'gcc',
      join(to, 'empty.c'),
      name,
      ...[`-Wl,-soname,${name}`, `-L${to}`, '-Wl,--no-as-needed', '-lcard', '-Wl,-rpath,$ORIGIN'],
    );
}

/** What is made is handed over in the first argument, a pointer to a pointer. */
const nothing = (name: string): string =>
  /Create|Instantiate|LoadData/.test(name)
    ? `int ${name}(void** made) { *made = calloc(1, 512); return 0; }`
    : `int ${name}(void) { return 0; }`;
