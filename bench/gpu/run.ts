/**
 * @file Measures a card, phase by phase: Krona, and diffusers with PEFT where Python has them. Each phase writes
 * FOLDER/<phase>.json as it ends; a second call goes on with those that are missing or failed, and prints the table.
 *
 *   node run.mjs --out FOLDER [--device cuda] [--small] [--python PATH] [--minutes 8.5] [--only PHASE,PHASE]
 */
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { DEVICES } from '../../core/config.ts';
import { describeError } from '../../core/errors.ts';
import { embeddedModel } from '../../core/package.ts';
import { openCudaLibraries } from '../../gpu-worker/graph/cuda-libraries.ts';
import { SINGLE_FILE_MODELS } from '../../gpu-worker/models/single-file/architectures.ts';
import { PHASES, type Phase, type Setting } from './phases.ts';
import { table, type Outcome } from './table.ts';

const { values: given } = parseArgs({
  options: {
    out: { type: 'string', default: 'out' },
    device: { type: 'string', default: 'cuda' },
    small: { type: 'boolean', default: false },
    python: { type: 'string' },
    minutes: { type: 'string', default: '8.5' },
    only: { type: 'string' },
    /** In a child: the phase to run. */
    phase: { type: 'string' },
  },
});
const device = DEVICES.find((name) => name === given.device);
if (device === undefined) throw new Error(`--device must be one of ${DEVICES.join(', ')}`);
const setting: Setting = { device, small: given.small };

if (given.phase !== undefined) {
  // A phase runs even where the trial, which does this otherwise, would rule the card out.
  if (device === 'cuda') openCudaLibraries();
  const facts = await PHASES[given.phase]?.run?.(setting).catch((error: unknown) => ({
    error: describeError(error),
  }));
  process.send?.(facts ?? {}, () => process.exit());
} else {
  const ends = performance.now() + Number(given.minutes) * 60_000;
  const wanted = given.only?.split(',') ?? Object.keys(PHASES);
  await mkdir(given.out, { recursive: true });
  for (const name of wanted) {
    const phase = PHASES[name];
    if (phase === undefined) throw new Error(`no phase ${name}: ${Object.keys(PHASES).join(', ')}`);
    if ((await outcomeOf(name))?.ok) continue;
    const left = (ends - performance.now()) / 1000;
    if (left < 5) break;
    const outcome = await measure(name, phase, Math.min(left, phase.seconds));
    if (outcome === null) continue;
    await writeFile(fileOf(name), `${JSON.stringify(outcome, null, 2)}\n`);
    const problem = outcome.ok ? '' : `: ${JSON.stringify(outcome.facts)}`;
    process.stderr.write(
      `${name} ${outcome.ok ? 'done' : 'FAILED'}, ${outcome.wall.toFixed(1)} s${problem}\n`,
    );
  }
  const outcomes: Record<string, Outcome> = {};
  for (const name of Object.keys(PHASES)) {
    const outcome = await outcomeOf(name);
    if (outcome) outcomes[name] = outcome;
  }
  process.stdout.write(table(outcomes));
}

function fileOf(name: string): string {
  return join(given.out, `${name}.json`);
}

async function outcomeOf(name: string): Promise<Outcome | null> {
  const text = await readFile(fileOf(name), 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as Outcome);
}

/** @returns null for a rival without Python */
async function measure(name: string, phase: Phase, seconds: number): Promise<Outcome | null> {
  if (phase.run === null && given.python === undefined) return null;
  const before = await cardMemory();
  const start = performance.now();
  const child = phase.run === null ? await startRival(name) : startOwn(name, phase);
  let peak = before;
  let log = '';
  child.stderr?.on('data', (text: Buffer) => (log = (log + text.toString()).slice(-2000)));
  const watch = setInterval(() => void cardMemory().then((used) => (peak = Math.max(peak, used))), 250);
  const late = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  const facts = await new Promise<object | null>((resolve) => {
    let said: object | null = null;
    let text = '';
    child.on('message', (message) => (said = message as object));
    child.stdout?.on('data', (piece: Buffer) => (text += piece.toString()));
    child.once('close', () => resolve(said ?? parsed(text)));
  });
  clearTimeout(late);
  clearInterval(watch);
  const wall = (performance.now() - start) / 1000;
  const failed = facts === null || 'error' in facts || rowsOf(facts).some(({ ok }) => ok === false);
  return {
    ok: !failed,
    at: new Date().toISOString(),
    wall,
    cardMib: peak - before,
    small: setting.small,
    facts: facts ?? { error: `ended without a result after ${wall.toFixed(0)} s`, log },
  };
}

function rowsOf(facts: object): { ok?: boolean }[] {
  return 'rows' in facts ? (facts.rows as { ok?: boolean }[]) : [];
}

function startOwn(name: string, { env = {} }: Phase): ChildProcess {
  const words = ['--phase', name, '--device', setting.device, ...(setting.small ? ['--small'] : [])];
  return fork(fileURLToPath(import.meta.url), words, { env: { ...process.env, ...env }, silent: true });
}

/** The models' configs go along, as there is no network for them. */
async function startRival(name: string): Promise<ChildProcess> {
  const published = SINGLE_FILE_MODELS.find(({ architecture }) => architecture === 'sdxl');
  const config = async (part: string): Promise<unknown> =>
    JSON.parse(await readFile(join(embeddedModel, part, 'config.json'), 'utf8'));
  const models = setting.small
    ? { unet: await config('unet'), vae: await config('vae') }
    : { unet: published?.unet, vae: published?.vae };
  const request = { phase: name, device: setting.device, side: setting.small ? 64 : 1024, ...models };
  const script = join(dirname(fileURLToPath(import.meta.url)), 'rivals.py');
  return spawn(given.python ?? 'python3', [script, JSON.stringify(request)]);
}

/** The last line of a program's output, as JSON. */
function parsed(text: string): object | null {
  try {
    return JSON.parse(text.trim().split('\n').at(-1) ?? '') as object;
  } catch {
    return null;
  }
}

/** MiB in use on the first card; 0 without NVIDIA's tool. */
async function cardMemory(): Promise<number> {
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '--id=0'];
  const answer = await promisify(execFile)('nvidia-smi', query).catch(() => null);
  return answer === null ? 0 : Number(answer.stdout.trim()) || 0;
}
