/**
 * @file AutoencoderTiny (TAESD and TAESDXL: a small encoder and decoder of the latents of SD's and SDXL's VAE), under
 * diffusers' parameter names. Pictures are [B,3,H,W] in [-1,1]; latents are scaled, as the UNet sees them.
 */
import { stat, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { compileFunction } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import { Session } from '../graph/runtime.ts';
import { sideOf, sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Decoder } from './autoencoder.ts';
import { ConfigFields } from './config-fields.ts';
import { cachedSnapshot } from './hub-cache.ts';
import { conv } from './layers.ts';
import type { ModelComponent } from './model-folder.ts';
import { componentTensors, readJson } from './model-files.ts';
import { frozenParameters, parametersOf, tensorProblem, type Parameters } from './parameters.ts';

/** diffusers' AutoencoderTiny; lists run from the first layers. Each level but the outermost halves the sides. */
export interface TinyAutoencoderConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly latent_channels: number;
  readonly encoder_block_out_channels: readonly number[];
  readonly decoder_block_out_channels: readonly number[];
  /** Residual blocks of each level. */
  readonly num_encoder_blocks: readonly number[];
  readonly num_decoder_blocks: readonly number[];
  /** The UNet sees latents × scaling_factor; 1 in TAESD and TAESDXL. */
  readonly scaling_factor: number;
}

const MOST_BLOCKS = 16;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED */
export function tinyAutoencoderConfig(
  where: string,
  raw: Readonly<Record<string, unknown>>,
): TinyAutoencoderConfig {
  const fields = new ConfigFields(where, raw);
  fields.mustBe({
    _class_name: 'AutoencoderTiny',
    act_fn: 'relu',
    upsample_fn: 'nearest',
    upsampling_scaling_factor: 2,
    shift_factor: 0,
  });
  const widths = (key: string) => fields.integers(key, [64, 64, 64, 64]);
  const config = {
    in_channels: fields.integer('in_channels', 3),
    out_channels: fields.integer('out_channels', 3),
    latent_channels: fields.integer('latent_channels', 4),
    encoder_block_out_channels: widths('encoder_block_out_channels'),
    decoder_block_out_channels: widths('decoder_block_out_channels'),
    num_encoder_blocks: fields.integers('num_encoder_blocks', [1, 3, 3, 3], MOST_BLOCKS),
    num_decoder_blocks: fields.integers('num_decoder_blocks', [3, 3, 3, 1], MOST_BLOCKS),
    scaling_factor: fields.number('scaling_factor', 1),
  };
  for (const half of ['encoder', 'decoder'] as const) {
    const own = config[`${half}_block_out_channels`];
    // A level's first layer has its own width on both sides, so that levels of other widths don't fit each other.
    if (new Set(own).size !== 1)
      throw fields.unsupported(`${half}_block_out_channels`, 'one width for all levels');
    if (own.length !== config[`num_${half}_blocks`].length)
      throw fields.invalid(`num_${half}_blocks`, `${own.length} numbers (one a level)`);
  }
  return config;
}

const relu = (x: Tensor): Tensor => op.max(x, 0);

/** Pictures to latents. */
export function tinyEncoder(config: TinyAutoencoderConfig, p: Parameters, pictures: Tensor): Tensor {
  const width = at(config.encoder_block_out_channels, 0);
  const path = layerPaths('encoder');
  let x = op.div(op.add(pictures, 1), 2);
  config.num_encoder_blocks.forEach((blocks, level) => {
    x =
      level === 0
        ? conv(p, path(), x, width)
        : op.conv2d(x, plainWeight(p, path(), width, x), undefined, 2, 1);
    for (let block = 0; block < blocks; block++) x = residual(p, path(), x);
  });
  return conv(p, path(), x, config.latent_channels);
}

/** Latents to pictures, not clamped. */
export function tinyDecoder(config: TinyAutoencoderConfig, p: Parameters, latents: Tensor): Tensor {
  const width = at(config.decoder_block_out_channels, 0);
  const path = layerPaths('decoder');
  const last = config.num_decoder_blocks.length - 1;
  // Latents beyond 3 standard deviations are bent back softly.
  let x = relu(conv(p, path(), op.mul(op.tanh(op.div(latents, 3)), 3), width));
  path();
  config.num_decoder_blocks.forEach((blocks, level) => {
    for (let block = 0; block < blocks; block++) x = residual(p, path(), x);
    if (level === last) {
      x = conv(p, path(), x, config.out_channels);
      return;
    }
    path();
    const [, , height, side] = sidesOf(x, 4);
    x = op.conv2d(
      op.upsampleNearest(x, height * 2, side * 2),
      plainWeight(p, path(), width, x),
      undefined,
      1,
      1,
    );
  });
  return op.sub(op.mul(x, 2), 1);
}

/** `decoder.layers.0`, `decoder.layers.1`, …: every layer has a number, also those without parameters. */
function layerPaths(half: string): () => string {
  let next = 0;
  return () => `${half}.layers.${next++}`;
}

/** Of a 3×3 convolution without bias. */
const plainWeight = (p: Parameters, path: string, out: number, x: Tensor): Tensor =>
  p.tensor(`${path}.weight`, [out, sideOf(x, 1), 3, 3]);

/** Three convolutions plus x. */
function residual(p: Parameters, path: string, x: Tensor): Tensor {
  const width = sideOf(x, 1);
  const h = relu(conv(p, `${path}.conv.0`, x, width));
  return relu(op.add(conv(p, `${path}.conv.4`, relu(conv(p, `${path}.conv.2`, h, width)), width), x));
}

export type TinyAutoencoder = ModelComponent<TinyAutoencoderConfig>;

/**
 * Opens a folder as diffusers saves it, or as a hub's cache holds it, and checks that every tensor is there.
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_CONFIG_*, MODEL_FILE_MISSING, MODEL_TENSOR_*, SAFETENSORS_*
 */
export async function openTinyAutoencoder(path: string): Promise<TinyAutoencoder> {
  const given = await realpath(path).catch(() => null);
  if (given === null || !(await stat(given)).isDirectory())
    throw new KronaError(
      'MODEL_NOT_FOUND',
      `There is no folder ${basename(path)}; give one with an AutoencoderTiny, such as madebyollin/taesd.`,
    );
  const folder = (await cachedSnapshot(given)) ?? given;
  const config = tinyAutoencoderConfig('config.json', await readJson(folder, 'config.json'));
  const tensors = await componentTensors(folder, '.');
  for (const { name, shape } of tinyAutoencoderParameters(config)) {
    const problem = tensorProblem(`${basename(path)}: ${name}`, tensors.get(name), shape);
    if (problem !== null) throw problem;
  }
  return { name: basename(path), config, tensors };
}

/** All parameters of both halves. */
export function tinyAutoencoderParameters(config: TinyAutoencoderConfig) {
  const side = tinyScale(config);
  return parametersOf((p) => [
    tinyEncoder(config, p, op.input('pictures', [1, config.in_channels, side, side])),
    tinyDecoder(config, p, op.input('latents', [1, config.latent_channels, 1, 1])),
  ]);
}

/** Ratio of picture sides to latent sides. */
export const tinyScale = (config: TinyAutoencoderConfig): number =>
  2 ** (config.num_decoder_blocks.length - 1);

/** A decoder for pictures of one size, one at a time; latents as the UNet sees them. */
export async function openTinyDecoder(
  { name, config, tensors }: TinyAutoencoder,
  width: number,
  height: number,
): Promise<Decoder> {
  const scale = tinyScale(config);
  const latents = [1, config.latent_channels, height / scale, width / scale];
  const program = compileFunction(
    { latents },
    (inputs) => ({
      pictures: tinyDecoder(
        config,
        frozenParameters(name, tensors),
        op.div(inputs.latents, config.scaling_factor),
      ),
    }),
    { precision: devicePrecision('drawing') },
  );
  const session = await Session.create(program);
  return {
    decode: async (values) => (await session.run({ latents: values })).pictures,
    release: () => session.release(),
  };
}
