/**
 * @file Counts what programs of SDXL ask of a card, without one: launches, copies, waits and memory, on the make-believe
 * card (card.cpp). It proves nothing about values or speed. It prints the table of docs/gpu.md.
 *
 *   npx tsx bench/cuda-counts/run.ts --headers FOLDER,FOLDER [--programs NAME,NAME] [--small] [--capability 90]
 *
 * The provider must be installed (`krona device install cuda`), and g++ and nm too. The headers are those of PyPI's
 * nvidia-cuda-runtime and nvidia-cuda-crt.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { engineGraph, unetGraph, type Graph } from '../../cli/engine-graphs.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { adapterInputs } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { trainDefaults } from '../../gpu-worker/training/train-options.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { randomInputs, withRandomWeights } from '../../cli/device-check/random-inputs.ts';
import { embeddedModel } from '../../core/package.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { openCudaLibraries, PROVIDER, runtimeFolder } from '../../gpu-worker/graph/cuda-libraries.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { vaePrecision } from '../../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { largestTensor, publishedModel } from '../../gpu-worker/models/published-model.ts';
import { buildCard } from './build.ts';
import { COUNTERS_BYTES, readCounts, type Counts } from './counters.ts';

const { values: given } = parseArgs({
  options: {
    headers: { type: 'string' },
    programs: { type: 'string', default: 'sampling,sampling-adapter,training,decoding' },
    small: { type: 'boolean', default: false },
    capability: { type: 'string', default: '90' },
    /** In a child: the program to count. */
    program: { type: 'string' },
  },
});

/** Of a prompt, as CLIP reads it. */
const TOKENS = 77;

interface Counted {
  /** Seconds to open the session, on this machine's processor. */
  readonly open: number;
  /** Memory of the card after the second run, at most, GiB. */
  readonly peak: number;
  /** Of the second run. */
  readonly run: Counts;
}

const BUILDERS: Readonly<Record<string, (model: ModelFolder, side: number) => Graph>> = {
  sampling: (model, side) => unetGraph(model, side, 2),
  'sampling-adapter': adapterSampling,
  training: (model, side) => engineGraph('krona-step', model, side),
  decoding: (model, side) => engineGraph('vae-decoder', model, side),
};

if (given.program !== undefined) {
  const counted = await countProgram(given.program);
  process.send?.(counted, () => process.exit());
} else {
  const card = await mkdtemp(join(tmpdir(), 'krona-card-'));
  try {
    await buildCard(join(runtimeFolder, PROVIDER), given.headers?.split(',') ?? [], card);
    process.stdout.write(
      '| program | opened, s | kernels | products | convolutions, attention | copies up (MB) | copies down (MB) | waits | most memory, GiB |\n' +
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n',
    );
    for (const name of given.programs.split(',')) process.stdout.write(row(name, await inChild(name, card)));
  } finally {
    await rm(card, { recursive: true });
  }
}

/** A sampling step with guidance through an adapter of the size that training starts with. */
function adapterSampling(model: ModelFolder, side: number): Graph {
  const { config, tensors, name } = model.unet;
  const latents = side / vaeScale(model.vae.config);
  const shapes = ADAPTER_METHODS.krona.shapes(model, trainDefaults(modelCard(model)));
  const parameters = adapterInputs([shapes])(frozenParameters(name, tensors), '');
  return { prediction: unet(config, parameters, unetInputs(config, 2, latents, latents, TOKENS)) };
}

function row(name: string, { open, peak, run }: Counted): string {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const cells = [
    ...[name, open.toFixed(0), run.kernels, run.products, run.convolutions],
    ...[`${run.up} (${mb(run.upBytes)})`, `${run.down} (${mb(run.downBytes)})`, run.waits, peak.toFixed(2)],
  ];
  return `| ${cells.join(' | ')} |\n`;
}

/** One program a process, so that memory is its own. @throws Error with the code that the process ended with */
async function inChild(name: string, card: string): Promise<Counted> {
  const counts = join(card, `${name}.counts`);
  await writeFile(counts, new Uint8Array(COUNTERS_BYTES));
  const words = ['--program', name, ...(given.small ? ['--small'] : [])];
  const env = {
    ...process.env,
    KRONA_CUDA_PATH: card,
    CARD_COUNTS: counts,
    CARD_CAPABILITY: given.capability,
  };
  const child = fork(fileURLToPath(import.meta.url), words, { env });
  return new Promise((resolve, reject) => {
    let counted: Counted | null = null;
    child.on('message', (message) => (counted = message as Counted));
    child.once('exit', (code, signal) =>
      counted ? resolve(counted) : reject(new Error(`${name} ended with ${code ?? signal}`)),
    );
  });
}

async function countProgram(name: string): Promise<Counted> {
  const missing = openCudaLibraries();
  if (missing !== null) throw new Error(missing);
  useDevice('cuda');
  const counts = process.env['CARD_COUNTS'] ?? '';
  const bytes = given.small ? 0 : largestTensor(publishedModel('sdxl', ''));
  return withRandomWeights(bytes, async (weights) => {
    const model = given.small ? await openModel(embeddedModel) : publishedModel('sdxl', weights);
    const graph = BUILDERS[name]?.(model, given.small ? 64 : 1024);
    if (graph === undefined) throw new Error(`--programs are ${Object.keys(BUILDERS).join(', ')}`);
    const { drawing, training } = DIALECTS.cuda;
    const precision = { training, decoding: vaePrecision(model, drawing) }[name] ?? drawing;
    const program = compile(graph, { precision });
    const start = performance.now();
    const session = await Session.create(program, { mapWeights: true });
    const open = (performance.now() - start) / 1000;
    const feeds = randomInputs(program);
    // The first run also asks the heuristics and fills the arena.
    await session.run(feeds);
    const before = readCounts(counts);
    await session.run(feeds);
    const after = readCounts(counts);
    const difference = Object.entries(after).map(([key, value]) => [
      key,
      value - before[key as keyof Counts],
    ]);
    return { open, peak: after.peak / 2 ** 30, run: Object.fromEntries(difference) as Counts };
  });
}
