/** @file A model folder's VAE, compiled for pictures of one size, one at a time. */
import { compileFunction, type Precision } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import { Session } from '../graph/runtime.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ARCHITECTURES } from './architecture.ts';
import type { ModelFolder } from './model-folder.ts';
import { frozenParameters } from './parameters.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from './vae.ts';

/** A picture's distribution over latents, [C, h, w] each, not scaled. */
export interface EncodedPicture {
  readonly mean: Float32Array;
  /** Standard deviation. */
  readonly deviation: Float32Array;
}

export interface Encoder {
  /** @param pixels [3, height, width] in [-1, 1] */
  encode(pixels: Float32Array): Promise<EncodedPicture>;
  release(): Promise<void>;
}

export interface Decoder {
  /** @param latents [C, h, w] as the UNet sees them; the result is [3, height, width], around [-1, 1], not clamped */
  decode(latents: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Mean and deviation of the latents of `pictures` [1,3,height,width], not scaled. */
export function encoderOutputs({ vae }: ModelFolder, pictures: Tensor) {
  const { mean, logvar } = vaeEncoder(vae.config, frozenParameters(vae.name, vae.tensors), pictures);
  // diffusers' DiagonalGaussianDistribution clamps the log variance.
  const deviation = op.exp(op.mul(0.5, op.max(-30, op.min(20, logvar))));
  return { mean, deviation };
}

/** The pictures of `latents` [1,C,h,w] as the UNet sees them. */
export function decoderOutputs({ vae }: ModelFolder, latents: Tensor) {
  const { scaling_factor: factor, shift_factor: shift } = vae.config;
  const unscaled = op.add(op.div(latents, factor), shift);
  return { pictures: vaeDecoder(vae.config, frozenParameters(vae.name, vae.tensors), unscaled) };
}

/** Input `pictures` [1,3,height,width] in [-1, 1]; outputs `mean` and `deviation` [1,C,h,w], not scaled. */
export function encoderProgram(model: ModelFolder, width: number, height: number, precision: Precision) {
  const pictures = [1, model.vae.config.in_channels, height, width];
  return compileFunction({ pictures }, (inputs) => encoderOutputs(model, inputs.pictures), { precision });
}

/** Input `latents` [1,C,h,w] as the UNet sees them; output `pictures` [1,3,height,width]. */
export function decoderProgram(model: ModelFolder, width: number, height: number, precision: Precision) {
  const scale = vaeScale(model.vae.config);
  const latents = [1, model.vae.config.latent_channels, height / scale, width / scale];
  return compileFunction({ latents }, (inputs) => decoderOutputs(model, inputs.latents), { precision });
}

/**
 * The VAE's precision on a device that computes in `precision`: the values inside SDXL's exceed 16 bits, which its
 * config says (`force_upcast`). As in diffusers, SD's pipelines ignore the field.
 */
export function vaePrecision({ architecture, vae }: ModelFolder, precision: Precision): Precision {
  const told = ARCHITECTURES[architecture].timeIds > 0;
  return told && vae.config.force_upcast ? 'float32' : precision;
}

export async function openEncoder(
  model: ModelFolder,
  width: number,
  height: number,
  precision = vaePrecision(model, devicePrecision('drawing')),
): Promise<Encoder> {
  const session = await Session.create(encoderProgram(model, width, height, precision));
  return {
    encode: (pixels) => session.run({ pictures: pixels }),
    release: () => session.release(),
  };
}

export async function openDecoder(
  model: ModelFolder,
  width: number,
  height: number,
  precision = vaePrecision(model, devicePrecision('drawing')),
): Promise<Decoder> {
  const session = await Session.create(decoderProgram(model, width, height, precision));
  return {
    decode: async (latents) => (await session.run({ latents })).pictures,
    release: () => session.release(),
  };
}
