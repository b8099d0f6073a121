/**
 * @file `npm run bench:full-size`: a sampling step and a training step of SD 1.5 or SDXL at 512×512 with random weights,
 * ours and, when there is a Python to run it, diffusers' with PEFT's LoKr, in turns. Linux only (it reads /proc).
 *
 *   --models sd15,sdxl    sd15 by default: 8 GiB of memory; sdxl takes 16 GiB
 *   --python PATH         with the packages of test/fixtures/requirements.txt; ours alone without it
 *   --rounds N            processes of each kind, 3 by default; each times --repeats N steps (1) after its first
 *   --folder PATH         where the models are made and kept (4 and 13 GiB)
 *   --write               write the table to bench/full-size.md too
 */
import { execFile } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { median, short } from '../report.ts';
import { randomModel, type ModelName } from './random-model.ts';
import { KINDS, writeInputs, type StepKind, type StepRequest, type StepResult } from './steps.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'sd15' },
    python: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    repeats: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(tmpdir(), 'krona-full-size') },
    write: { type: 'boolean', default: false },
  },
});
const TITLES: Readonly<Record<ModelName, string>> = { sd15: 'SD 1.5', sdxl: 'SDXL' };
const names = values.models.split(',');
for (const name of names)
  if (!(name in TITLES)) throw new Error(`--models takes sd15, sdxl or both with a comma; you gave ${name}`);

const run = promisify(execFile);
const OURS = [process.execPath, '--import', import.meta.resolve('tsx'), here('step.ts')];
const THEIRS = [values.python ?? '', here('../rivals/diffusers-step.py')];
const MIB = 2 ** 20;
const began = { load: loadavg()[0]!, date: new Date().toISOString().slice(0, 10) };

await mkdir(values.folder, { recursive: true });
const lines: string[] = [];
for (const name of names as ModelName[]) {
  const model = await randomModel(name, values.folder);
  for (const kind of KINDS) lines.push(await compare(name, kind, model));
}
const table = [
  `Random weights, 512×512, float32, ${cpus().length} threads of ${cpus()[0]!.model.trim()}, ${began.date}; load of the machine when it began: ${short(began.load)}.`,
  'A sampling step is one call of the UNet on two rows (guidance); a training step is forward, backward and AdamW for one',
  'photo with checkpointing: factors (4, 64) here, (16, 16) in PEFT, which are as many numbers. Medians; peaks are of the',
  'whole process. Difference: of the prediction (largest, against the largest value) or of the first loss.',
  '',
  '| step | seconds | theirs | ratio | peak MiB | theirs | ratio | difference | MB written until the first |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ...lines,
  '',
].join('\n');
process.stdout.write(table);
if (values.write) await writeFile(here('../full-size.md'), table);

/** A row: processes of ours and theirs in turns, so that both meet the same machine. */
async function compare(name: ModelName, kind: StepKind, model: string): Promise<string> {
  const inputs = join(values.folder, `${name}-inputs.safetensors`);
  if (
    !(await access(inputs).then(
      () => true,
      () => false,
    ))
  )
    await writeInputs(name, inputs);
  const request = (who: string): StepRequest => ({
    model,
    kind,
    inputs,
    output: join(values.folder, `${name}-${kind}-${who}.safetensors`),
    threads: cpus().length,
    repeats: Number(values.repeats),
  });
  const ours: StepResult[] = [];
  const theirs: StepResult[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    process.stderr.write(`${TITLES[name]} ${kind}, round ${round + 1} …\n`);
    ours.push(await measure(OURS, request('ours')));
    if (values.python !== undefined) theirs.push(await measure(THEIRS, request('theirs')));
  }
  const time = (results: readonly StepResult[]): number => median(results.flatMap(({ seconds }) => seconds));
  const peak = (results: readonly StepResult[]): number => Math.max(...results.map((one) => one.peak)) / MIB;
  const written = Math.max(...ours.map((one) => one.written ?? 0)) / 1e6;
  const pair = (of: typeof time): string =>
    theirs.length === 0
      ? `${short(of(ours))} | | `
      : `${short(of(ours))} | ${short(of(theirs))} | ${short(of(ours) / of(theirs))}`;
  const difference =
    theirs.length === 0
      ? ''
      : (await largestDifference(request('ours').output, request('theirs').output)).toExponential(1);
  return `| ${TITLES[name]} ${kind} | ${pair(time)} | ${pair(peak)} | ${difference} | ${short(written)} |`;
}

async function measure(command: readonly string[], request: StepRequest): Promise<StepResult> {
  const [program, ...words] = command as [string, ...string[]];
  const { stdout } = await run(program, [...words, JSON.stringify(request)], { maxBuffer: MIB });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as StepResult;
}

/** Of the results in two files, against the largest of the second. */
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
