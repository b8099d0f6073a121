/**
 * @file The graphs of both training steps before they are compiled, so that their work can be counted: the same as
 * gpu-worker/training/adapter-graph.ts and lab/pretrain/stage.ts compile.
 */
import { adapterLayout, withAdapter, type AdapterShapes } from '../gpu-worker/adapters/adapter.ts';
import { compile, type Program } from '../gpu-worker/graph/compile.ts';
import { gradients } from '../gpu-worker/graph/gradients.ts';
import * as op from '../gpu-worker/graph/ops.ts';
import type { Tensor } from '../gpu-worker/graph/tensor.ts';
import type { ModelFolder } from '../gpu-worker/models/model-folder.ts';
import {
  FlatLayout,
  frozenParameters,
  givenParameters,
  parametersOf,
} from '../gpu-worker/models/parameters.ts';
import { unet, unetInputs } from '../gpu-worker/models/unet.ts';
import { vaeScale } from '../gpu-worker/models/vae.ts';
import type { Stage } from '../lab/pretrain/stage.ts';
import { adapterGradient, type StepShape } from '../gpu-worker/training/adapter-graph.ts';
import { addNoise, denoisingLoss, noisyBatch } from '../gpu-worker/training/loss.ts';
import { noiseSchedule } from '../gpu-worker/training/noise-schedule.ts';
import { countFlops } from './flops.ts';

export interface CountedProgram {
  readonly program: Program;
  /** Floating-point operations of one run. */
  readonly flops: number;
}

/** One micro-batch of adapter training. */
export function adapterStep(model: ModelFolder, shapes: AdapterShapes, shape: StepShape): CountedProgram {
  const { config, tensors, name } = model.unet;
  const schedule = noiseSchedule(model.scheduler);
  const scale = vaeScale(model.vae.config);
  const [height, width] = [shape.height / scale, shape.width / scale];
  const layout = adapterLayout(shapes);
  const factors = layout.split(op.input('parameters', [layout.length]));
  const batch = noisyBatch(shape.batch, config.in_channels, height, width);
  const inputs = unetInputs(config, shape.batch, height, width, shape.tokens);
  const parameters = withAdapter(frozenParameters(name, tensors), shapes, factors, op.scalar(1));
  const { checkpointing } = shape;
  const prediction = unet(config, parameters, { ...inputs, latents: addNoise(batch) }, { checkpointing });
  const loss = denoisingLoss(batch, prediction, schedule.prediction);
  const targets = layout.entries.map((entry) => factors.get(entry.name)!);
  const outputs = { loss, gradient: layout.join(gradients(loss, targets)) };
  const program = adapterGradient(model, shapes, schedule, shape);
  sameProgram(program, outputs, 'gpu-worker/training/adapter-graph.ts');
  return { program, flops: countFlops(outputs) };
}

/** One step of a stage of pretraining, all of whose parameters are taught. */
export function stageStep(stage: Stage): CountedProgram & { readonly layout: FlatLayout } {
  const layout = new FlatLayout(parametersOf((p) => stage.loss(p)));
  const parts = layout.split(op.input('parameters', [layout.length]));
  const loss = stage.loss(givenParameters(parts));
  const targets = layout.entries.map(({ name }) => parts.get(name)!);
  const outputs = { loss, gradient: layout.join(gradients(loss, targets)) };
  return { program: compile(outputs), flops: countFlops(outputs), layout };
}

/** What is counted must be what is run. */
function sameProgram({ bytes }: Program, outputs: Readonly<Record<string, Tensor>>, path: string): void {
  if (Buffer.compare(bytes, compile(outputs).bytes) === 0) return;
  throw new Error(`bench/graphs.ts builds another graph than ${path}: bring it up to date`);
}
