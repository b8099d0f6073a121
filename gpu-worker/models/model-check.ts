/**
 * @file Whether a model folder is whole: its configs are supported, and its files hold every tensor that the models
 * here ask for, in the right shape. Nothing is loaded or computed: the models are traced.
 */
import { describeError } from '../../storage/errors.ts';
import * as op from '../graph/ops.ts';
import { sizeOf } from '../graph/tensor.ts';
import { clipText } from './clip-text.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from './model-configs.ts';
import { openModelFolder, type ModelComponent, type ModelFolder } from './model-folder.ts';
import { parametersOf, type ParameterShape } from './parameters.ts';
import { loadTokenizer } from './tokenizer.ts';
import { unet, unetInputs } from './unet.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from './vae.ts';

export interface ModelProblem {
  readonly code: string;
  readonly message: string;
}

export interface ModelReport {
  /** null when the folder could not be opened so far; then the counts are 0. */
  readonly architecture: 'sdxl' | null;
  readonly unetParameters: number;
  readonly textEncoderParameters: number;
  readonly vaeParameters: number;
  /** It would run here. Tensors without a use are told as problems, but stop nothing. */
  readonly ok: boolean;
  readonly problems: readonly ModelProblem[];
}

/**
 * Checks a folder. What is wrong with it is in the report.
 *
 * @throws KronaError MODEL_NOT_FOUND when there is no such folder
 */
export async function checkModel(path: string): Promise<ModelReport> {
  let model: ModelFolder;
  try {
    model = await openModelFolder(path);
  } catch (error) {
    const problem = describeError(error);
    if (problem.code === 'MODEL_NOT_FOUND' || problem.code === 'INTERNAL') throw error;
    const counts = { unetParameters: 0, textEncoderParameters: 0, vaeParameters: 0 };
    return { architecture: null, ...counts, ok: false, problems: [problem] };
  }
  const { textEncoders, unet, vae, tokenizers } = model;
  const clip = textEncoders.map(({ config }) => clipParameters(config));
  const inUnet = unetParameters(unet.config);
  const inVae = vaeParameters(vae.config);
  const problems = [
    ...textEncoders.flatMap((encoder, i) => compare(encoder, clip[i]!)),
    ...compare(unet, inUnet),
    ...compare(vae, inVae),
  ];
  for (const folder of tokenizers)
    await loadTokenizer(folder).catch((error: unknown) => problems.push(describeError(error)));
  return {
    architecture: model.architecture,
    unetParameters: count(inUnet),
    textEncoderParameters: count(clip.flat()),
    vaeParameters: count(inVae),
    ok: problems.every(({ code }) => code === 'MODEL_TENSOR_UNKNOWN'),
    problems,
  };
}

/** Everything that a text encoder of this config asks for. */
export function clipParameters(config: ClipTextConfig): ParameterShape[] {
  const length = config.max_position_embeddings;
  const ids = op.input('ids', [1, length], 'int64');
  return parametersOf((p) => clipText(config, p, ids, op.input('ends', [1, length])));
}

/** Everything that a UNet of this config asks for. */
export function unetParameters(config: UNetConfig): ParameterShape[] {
  // The smallest latents whose sides halve evenly at every level; sizes do not change what is asked for.
  const side = 2 ** (config.block_out_channels.length - 1);
  return parametersOf((p) => unet(config, p, unetInputs(config, 1, side, side, 1)));
}

/** Everything that both halves of a VAE of this config ask for. */
export function vaeParameters(config: VaeConfig): ParameterShape[] {
  const side = vaeScale(config);
  return parametersOf((p) => [
    vaeEncoder(config, p, op.input('pictures', [1, config.in_channels, side, side])),
    vaeDecoder(config, p, op.input('latents', [1, config.latent_channels, 1, 1])),
  ]);
}

function count(shapes: readonly ParameterShape[]): number {
  return shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

const FLOATS = ['F32', 'F16', 'BF16'];

/** What a component's files lack, hold in another shape, or hold without any use. */
function compare(component: ModelComponent<unknown>, shapes: readonly ParameterShape[]): ModelProblem[] {
  const problems: ModelProblem[] = [];
  const unused = new Set(component.tensors.keys());
  for (const { name, shape } of shapes) {
    unused.delete(name);
    const where = `${component.name}: ${name}`;
    const stored = component.tensors.get(name);
    const expected = `[${shape.join(', ')}]`;
    if (stored === undefined)
      problems.push({
        code: 'MODEL_TENSOR_MISSING',
        message: `${where} is missing; expected shape ${expected}.`,
      });
    else if (stored.shape.join() !== shape.join())
      problems.push({
        code: 'MODEL_TENSOR_SHAPE',
        message: `${where} has shape [${stored.shape.join(', ')}]; the config needs ${expected}.`,
      });
    else if (!FLOATS.includes(stored.dtype))
      problems.push({
        code: 'MODEL_TENSOR_DTYPE',
        message: `${where} is ${stored.dtype}; supported: ${FLOATS.join(', ')}.`,
      });
  }
  if (unused.size > 0)
    problems.push({
      code: 'MODEL_TENSOR_UNKNOWN',
      message:
        `${component.name}: ${unused.size} tensors have no place in this architecture: ` +
        `${[...unused].slice(0, 3).join(', ')}${unused.size > 3 ? ', …' : ''}.`,
    });
  return problems;
}
