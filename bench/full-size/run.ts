/**
 * @file `npm run bench:full-size`: a sampling step and a training step of SD 1.5 or SDXL at 512×512 with random
 * weights, in Krona and, given a Python, in diffusers with PEFT's LoKr, alternating. Linux only (it reads /proc).
 *
 *   --models sd15,sdxl    sd15 by default: 8 GiB of memory; sdxl takes 16 GiB
 *   --steps KIND,KIND     sampling,training by default
 *   --python PATH         with the packages of test/fixtures/requirements.txt; without it, only Krona is measured
 *   --theirs DTYPE        diffusers' dtype: float32 by default; a row with bfloat16 is shown, not kept
 *   --rounds N            processes of each kind, 2 by default; each times --repeats N steps (2) after its first
 *   --folder PATH         folder for the models, which are kept (4 and 13 GiB)
 *   --write               save each row to bench/full-size.json when it is measured, and write bench/full-size.md from all
 *                         saved rows; so models and steps can be measured in separate runs
 */
import { nodeOptions } from '../../core/own-program.ts';
import { at } from '../../core/at.ts';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { exists } from '../../core/files.ts';
import { randomModel, type ModelName } from './random-model.ts';
import { KINDS, writeInputs, type StepKind, type StepRequest, type StepResult } from './steps.ts';
import { fullSizeTable, keepRow, TITLES, type FullSizeRow } from './table.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'sd15' },
    steps: { type: 'string', default: KINDS.join() },
    python: { type: 'string' },
    theirs: { type: 'string', default: 'float32' },
    rounds: { type: 'string', default: '2' },
    repeats: { type: 'string', default: '2' },
    folder: { type: 'string', default: join(tmpdir(), 'krona-full-size') },
    write: { type: 'boolean', default: false },
  },
});
const names = listed('models', values.models, Object.keys(TITLES) as ModelName[]);
const kinds = listed('steps', values.steps, KINDS);

const run = promisify(execFile);
const OURS = [process.execPath, ...nodeOptions, here('step.ts')];
const THEIRS = [values.python ?? '', here('../rivals/diffusers-step.py')];
const ROWS = here('../full-size.json');

await mkdir(values.folder, { recursive: true });
for (const name of names) {
  const model = await randomModel(name, values.folder);
  for (const kind of kinds) {
    const row = await compare(name, kind, model).catch((error: unknown) => {
      // Killed for lack of memory, for example; the other rows are still useful.
      process.stderr.write(`${TITLES[name]} ${kind} failed: ${String(error)}\n`);
      process.exitCode = 1;
      return null;
    });
    if (!row) continue;
    process.stdout.write(`${fullSizeTable([row]).trim().split('\n').slice(-3).join('\n')}\n`);
    if (values.write && values.theirs === 'float32')
      await writeFile(here('../full-size.md'), fullSizeTable(await keepRow(ROWS, row)));
  }
}

/** Measures a row: processes of ours and theirs alternate, so that both run under the same load. */
async function compare(name: ModelName, kind: StepKind, model: string): Promise<FullSizeRow> {
  const inputs = join(values.folder, `${name}-inputs.safetensors`);
  if (!(await exists(inputs))) await writeInputs(name, inputs);
  const request = (who: string): StepRequest => ({
    model,
    kind,
    inputs,
    output: join(values.folder, `${name}-${kind}-${who}.safetensors`),
    threads: cpus().length,
    repeats: Number(values.repeats),
  });
  const began = { date: new Date().toISOString(), load: at(loadavg(), 0) };
  const ours: StepResult[] = [];
  const theirs: StepResult[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    process.stderr.write(`${TITLES[name]} ${kind}, round ${round + 1} …\n`);
    ours.push(await measure(OURS, request('ours')));
    if (values.python !== undefined)
      theirs.push(await measure(THEIRS, { ...request('theirs'), dtype: values.theirs }));
  }
  const difference =
    theirs.length === 0 ? null : await largestDifference(request('ours').output, request('theirs').output);
  const cpu = at(cpus(), 0).model.trim();
  return { model: name, kind, ...began, cpu, threads: cpus().length, ours, theirs, difference };
}

async function measure(command: readonly string[], request: StepRequest): Promise<StepResult> {
  const [program, ...words] = command as [string, ...string[]];
  const { stdout } = await run(program, [...words, JSON.stringify(request)], { maxBuffer: 2 ** 20 });
  return JSON.parse(at(stdout.trim().split('\n'), -1)) as StepResult;
}

/** Largest difference between two result files, relative to the second's largest value. */
async function largestDifference(one: string, other: string): Promise<number> {
  const [a, b] = await Promise.all(
    [one, other].map(async (path) => readFloats((await openSafetensors(path)).tensors.get('result')!)),
  );
  let most = 0;
  let size = 0;
  b!.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - a![i]!));
    size = Math.max(size, Math.abs(value));
  });
  return most / size;
}

function listed<T extends string>(option: string, given: string, known: readonly T[]): T[] {
  return given.split(',').map((name) => {
    const found = known.find((one) => one === name);
    if (!found) throw new Error(`--${option} takes ${known.join(' and ')}, with a comma; you gave ${name}`);
    return found;
  });
}
