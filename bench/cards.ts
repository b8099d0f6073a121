/**
 * @file Memory and time of SDXL and SD 1.5 on graphics cards, computed from the graphs that would run there and printed
 * as the tables of docs/gpu.md: `npx tsx bench/cards.ts`. It needs no weights, only their shapes. Nothing of it was run on
 * a card.
 */
import { adapterLayout, type AdapterShapes } from '../gpu-worker/adapters/adapter.ts';
import { adapterInputs } from '../gpu-worker/adapters/adapter-inputs.ts';
import { ADAPTER_METHODS } from '../gpu-worker/adapters/methods.ts';
import { onnxModel, type Precision } from '../gpu-worker/graph/compile.ts';
import { useDevice } from '../gpu-worker/graph/device.ts';
import * as op from '../gpu-worker/graph/ops.ts';
import type { Tensor } from '../gpu-worker/graph/tensor.ts';
import { decoderOutputs } from '../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../gpu-worker/models/model-folder.ts';
import { frozenParameters } from '../gpu-worker/models/parameters.ts';
import { publishedModel } from '../gpu-worker/models/published-model.ts';
import { unet, unetInputs } from '../gpu-worker/models/unet.ts';
import { adapterOutputs } from '../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../gpu-worker/training/noise-schedule.ts';
import { countFlops } from '../gpu-worker/graph/flops.ts';
import { graphMemory } from '../gpu-worker/graph/peak-memory.ts';
import { OVERHEAD } from '../gpu-worker/graph/room.ts';

/** Published torch rates for SDXL in 16 bits on these cards (it/s × 12 TFLOP), TFLOP per second. */
const CARDS = [
  ['RTX 3060, 12 GB', 12, 17],
  ['RTX 4060 Ti, 16 GB', 16, 25],
  ['RTX 3090, 24 GB', 24, 47],
  ['A100, 80 GB', 80, 101],
] as const;
const GIB = 2 ** 30;
const gib = (bytes: number): string => (bytes / GIB).toFixed(bytes < GIB ? 2 : 1);

interface Row {
  readonly what: string;
  readonly precision: Precision;
  readonly bytes: number;
  readonly flops: number;
  readonly line: string;
}

/** Programs are written as for CUDA. */
useDevice('cuda');

function row(what: string, outputs: Readonly<Record<string, Tensor>>, precision: Precision): Row {
  const { weights, activations } = graphMemory(outputs, precision);
  const flops = countFlops(outputs);
  const bytes = weights + activations;
  const operators = onnxModel(outputs, { precision }).nodes.length;
  const cells = [gib(weights), gib(activations), gib(bytes), (flops / 1e12).toFixed(1), operators];
  const line = `| ${what} | ${cells.join(' | ')} |`;
  process.stderr.write(`${line}\n`);
  return { what, precision, bytes, flops, line };
}

const TOKENS = 77;

function sampling(
  model: ModelFolder,
  side: number,
  precision: Precision,
  shapes: AdapterShapes | null,
  pictures = 1,
): Row {
  const { config, tensors, name } = model.unet;
  const inputs = unetInputs(config, 2 * pictures, side / 8, side / 8, TOKENS);
  const parameters = adapterInputs(shapes ? [shapes] : [])(frozenParameters(name, tensors), '');
  const outputs = { prediction: unet(config, parameters, inputs) };
  const what = `sampling step with guidance${shapes ? ' and adapter' : ''}${pictures > 1 ? `, ${pictures} pictures` : ''}`;
  return row(`${model.name}, ${side}², ${what}, ${precision}`, outputs, precision);
}

function training(
  model: ModelFolder,
  side: number,
  precision: Precision,
  checkpointing: boolean,
  shapes: AdapterShapes,
): Row {
  const shape = { batch: 1, width: side, height: side, tokens: TOKENS, checkpointing, precision };
  const outputs = adapterOutputs(model, shapes, noiseSchedule(model.scheduler), shape);
  const what = `${model.name}, ${side}², training step${checkpointing ? ', recomputing' : ''}, ${precision}`;
  // Parameters and their gradient are in the graph; AdamW's state is in main memory.
  return row(what, { ...outputs }, precision);
}

const rows: Row[] = [];
for (const [architecture, side] of [
  ['sdxl', 1024],
  ['sd1', 512],
] as const) {
  const model = publishedModel(architecture, '/weights.safetensors');
  const shapes = ADAPTER_METHODS.krona.shapes(model, { a1: 4, a2: 64 });
  process.stderr.write(`${model.name}: ${adapterLayout(shapes).length} trained parameters\n`);
  rows.push(
    sampling(model, side, 'float16', null),
    sampling(model, side, 'float16', shapes),
    sampling(model, side, 'float16', shapes, 4),
    sampling(model, side, 'float32', shapes),
    training(model, side, 'float16', true, shapes),
    training(model, side, 'float16', false, shapes),
    training(model, side, 'float32', true, shapes),
  );
  const decoding = architecture === 'sdxl' ? 'float32' : 'float16';
  for (const tile of [side, side / 2])
    rows.push(
      row(
        `${model.name}, ${side}², decoding ${tile < side ? `in tiles of ${tile}²` : 'one picture'}, ${decoding}`,
        decoderOutputs(model, op.input('latents', [1, 4, tile / 8, tile / 8])),
        decoding,
      ),
    );
}
const fits = rows.map(({ what, precision, bytes, flops }) => {
  const cells = CARDS.map(([, memory, rate]) => {
    if (bytes + OVERHEAD > memory * GIB) return 'does not fit';
    // The rates are for 16 bits.
    return precision === 'float32' ? 'fits' : `${(flops / 1e12 / rate).toFixed(2)} s`;
  });
  return `| ${what} | ${cells.join(' | ')} |`;
});
console.log(
  [
    'Computed, not run on a card.',
    '',
    '| what | weights, GiB | activations, GiB | together, GiB | TFLOP | operators |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ line }) => line),
    '',
    `| what | ${CARDS.map(([card]) => card).join(' | ')} |`,
    `| --- |${' --- |'.repeat(CARDS.length)}`,
    ...fits,
  ].join('\n'),
);
