/** @file The ways of computing a UNet's prediction that run.ts compares. */
import { compile, onnxModel, programOf, type Program } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import type { UNetConfig } from '../../gpu-worker/models/model-configs.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { unet, unetInputs, unetOutputs } from '../../gpu-worker/models/unet.ts';
import { withEightBitProducts } from '../../gpu-worker/graph/eight-bit-products.ts';
import { roundedParameters, type Scales } from './rounded-weights.ts';
import type { Predict, Sampler } from './sampler.ts';

export interface Prediction {
  readonly predict: Predict;
  release(): Promise<void>;
}

export type PredictionProgram = Program<{ readonly prediction: Float32Array }>;

type Sizes = Sampler['sizes'];

/** As usual, the convolutions at both ends stay in float32: they have four channels on one side. */
const atAnEnd = (name: string): boolean => /(^|\.)conv_(in|out)\./.test(name);

export async function inFloat32(model: ModelFolder, sizes: Sizes): Promise<Prediction> {
  const { config } = model.unet;
  return alone(compile({ prediction: unet(config, frozen(model), unetInputs(config, 2, ...sizes)) }));
}

/** Computed in float32, with weights rounded to 8 bits. */
export async function withRoundedWeights(
  { unet: { config, name, tensors } }: ModelFolder,
  sizes: Sizes,
  scales: Scales,
): Promise<Prediction> {
  const parameters = await roundedParameters(name, tensors, scales, atAnEnd);
  return alone(compile({ prediction: unet(config, parameters, unetInputs(config, 2, ...sizes)) }));
}

/** Products and convolutions in 8 bits on both sides. */
export async function inEightBits(model: ModelFolder, sizes: Sizes): Promise<Prediction> {
  return alone(eightBitProgram(model, sizes));
}

export function eightBitProgram(model: ModelFolder, sizes: Sizes): PredictionProgram {
  const { config } = model.unet;
  const prediction = unet(config, frozen(model), unetInputs(config, 2, ...sizes));
  return programOf(withEightBitProducts(onnxModel({ prediction }), atAnEnd));
}

/** Whole steps at calls 0, `interval`, 2 · `interval` …, only the first level at the others. */
export async function reusing(model: ModelFolder, sizes: Sizes, interval: number): Promise<Prediction> {
  const { whole, shallow } = reusePrograms(model, sizes);
  const sessions = { whole: await Session.create(whole), shallow: await Session.create(shallow) };
  let deep: Float32Array = new Float32Array();
  return {
    async predict(feeds, call) {
      if (call % interval !== 0) return (await sessions.shallow.run({ ...feeds, deep })).prediction;
      const whole = await sessions.whole.run(feeds);
      deep = whole.deep;
      return whole.prediction;
    },
    async release() {
      await sessions.whole.release();
      await sessions.shallow.release();
    },
  };
}

export function reusePrograms(model: ModelFolder, sizes: Sizes) {
  const { whole, shallow } = reuseGraphs(model.unet.config, frozen(model), sizes);
  return { whole: compile(whole), shallow: compile(shallow) };
}

/** A step that returns the deep features, and one that takes them; two rows. */
export function reuseGraphs(config: UNetConfig, parameters: Parameters, sizes: Sizes) {
  const inputs = unetInputs(config, 2, ...sizes);
  const whole = unetOutputs(config, parameters, inputs);
  const deep = op.input('deep', whole.deep.shape);
  return { whole: { ...whole }, shallow: { prediction: unet(config, parameters, inputs, { deep }) } };
}

const frozen = ({ unet: { name, tensors } }: ModelFolder): Parameters => frozenParameters(name, tensors);

async function alone(program: PredictionProgram): Promise<Prediction> {
  const session = await Session.create(program);
  return {
    predict: async (feeds) => (await session.run(feeds)).prediction,
    release: () => session.release(),
  };
}
