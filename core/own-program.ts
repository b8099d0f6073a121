/** @file How a process of ours starts another: the checkout's TypeScript, or the JavaScript of an installed package. */
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const extension = extname(import.meta.filename);
// Node 22.18 and later run TypeScript themselves.
const runsTypeScript = 'typescript' in process.features && process.features.typescript !== false;

/** Options of Node under which a child process can run Krona's own files. */
export const nodeOptions: readonly string[] =
  extension === '.js' || runsTypeScript ? [] : ['--import', loader()];

/** @returns the path of `name`, given without its extension, in `folder` */
export function ownProgram(folder: string, name: string): string {
  return join(folder, name + extension);
}

function loader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
}
