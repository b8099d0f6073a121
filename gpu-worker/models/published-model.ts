/** @file The published models without their weights: true shapes, and numbers that all come from one small file. */
import { at } from '../../core/at.ts';
import { sizeOf } from '../graph/shapes.ts';
import { ARCHITECTURES, type Architecture } from './architecture.ts';
import { clipTextConfig, unetConfig, vaeConfig } from './model-configs.ts';
import type { ModelFolder } from './model-folder.ts';
import type { ModelTensor, ParameterShape } from './parameters.ts';
import { clipParameters, unetParameters, vaeParameters } from './part-parameters.ts';
import { SINGLE_FILE_MODELS, type TextEncoderPart } from './single-file/architectures.ts';

/**
 * A published model whose tensors of 16 bits all begin at the start of one file.
 *
 * @param weights - the file's path. To run programs, it must be as long as the largest tensor (`largestTensor`)
 */
export function publishedModel(architecture: Architecture, weights: string): ModelFolder {
  const [entry] = SINGLE_FILE_MODELS.filter((model) => model.architecture === architecture);
  if (entry === undefined) throw new RangeError(`${architecture} has no single file`);
  const tensors = (shapes: readonly ParameterShape[]): Map<string, ModelTensor> =>
    new Map(
      shapes.map(({ name, shape }) => [
        name,
        { name, dtype: 'F16', shape, path: weights, offset: 0, length: 2 * sizeOf(shape) },
      ]),
    );
  const unet = unetConfig('unet', entry.unet, ARCHITECTURES[architecture].timeIds);
  const vae = vaeConfig('vae', entry.vae);
  const textEncoder = ({ part, config, projected }: TextEncoderPart) => {
    const own = clipTextConfig(part, config, projected);
    return { name: part, config: own, tensors: tensors(clipParameters(own)) };
  };
  const [first, ...more] = entry.textEncoders;
  return {
    name: ARCHITECTURES[architecture].label,
    path: '/',
    architecture,
    textEncoders: [textEncoder(first), ...more.map(textEncoder)],
    tokenizers: [{ folder: '/' }],
    unet: { name: 'unet', config: unet, tensors: tensors(unetParameters(unet)) },
    vae: { name: 'vae', config: vae, tensors: tensors(vaeParameters(vae)) },
    scheduler: entry.scheduler,
    forceZerosForEmptyPrompt: entry.forceZerosForEmptyPrompt,
    extra: [],
  };
}

/** Bytes of the largest tensor of the UNet and the VAE. */
export function largestTensor({ unet, vae }: ModelFolder): number {
  const lengths = [unet, vae].flatMap(({ tensors }) => [...tensors.values()].map(({ length }) => length));
  return lengths.reduce((most, length) => Math.max(most, length), at(lengths, 0));
}
