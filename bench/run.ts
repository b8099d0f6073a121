/**
 * @file `npm run bench`: the table of speed and size, printed and written to results.md and results.json beside this
 * file. Takes some minutes; leave the machine idle otherwise. Linux only (it reads /proc).
 *
 *   npm run bench -- --only NAME    one measurement, printed only
 *   npm run bench -- --quick        few repetitions, printed only: a smoke test
 */
import { nodeOptions } from '../core/own-program.ts';
import { at } from '../core/at.ts';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Context, Measured } from './context.ts';
import { MEASURES } from './measures.ts';
import type { BestProduct } from './product.ts';
import { markdown, type Results, type Row } from './report.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const names = Object.keys(MEASURES);
const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean' } } });
const { only, quick = false } = values;
if (only !== undefined && !names.includes(only)) {
  process.stderr.write(`--only takes one of ${names.join(', ')}; you gave ${only}.\n`);
  process.exit(2);
}

const model = process.env['KRONA_MODEL'] || here('../models/krona-emoji');
const rows: Row[] = [];
let reference: BestProduct | null = null;
for (const name of names) {
  // Other measurements need this rate, so it is always measured.
  if (only !== undefined && name !== only && name !== 'matmul') continue;
  process.stderr.write(`${name} …\n`);
  const measured = await measure(name, { model, quick, reference });
  rows.push(...measured.rows);
  reference ??= measured.reference ?? null;
}

const runtime = JSON.parse(await readFile(here('../node_modules/onnxruntime-node/package.json'), 'utf8')) as {
  version: string;
};
const results: Results = {
  date: new Date().toISOString(),
  cpu: at(cpus(), 0).model.trim(),
  cores: cpus().length,
  node: process.versions.node,
  onnxruntime: runtime.version,
  model: basename(model),
  rows,
};
process.stdout.write(markdown(results));
if (only === undefined && !quick) {
  await writeFile(here('results.json'), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(here('results.md'), markdown(results));
}

/** Runs one measurement in a new process and an empty folder. */
async function measure(name: string, context: Omit<Context, 'folder'>): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'krona-bench-'));
  try {
    const child = fork(here('child.ts'), [name, JSON.stringify({ ...context, folder })], {
      execArgv: [...nodeOptions],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let measured: Measured | null = null;
    child.once('message', (message) => (measured = message as Measured));
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (measured === null)
      throw new Error(`the measurement ${name} stopped without a result (${code ?? signal})`);
    return measured;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
