/** @file A program of the tests as one file of JavaScript: it starts in a quarter of the time that tsx takes. */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildSync } from 'esbuild';
import { at } from '../../core/at.ts';

/** Packages are found from here, Krona's own too. */
const FOLDER = join(import.meta.dirname, '../../out/tests');

/** @returns the path of the JavaScript of a TypeScript program */
export function bundled(program: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [program],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  const contents = at(outputFiles, 0).contents;
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 16);
  const path = join(FOLDER, `${basename(program, '.ts')}-${hash}.mjs`);
  mkdirSync(FOLDER, { recursive: true });
  // Other files may start the same program now.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
  return path;
}
