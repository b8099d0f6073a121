/**
 * @file Whether a model folder is whole: its configs are supported, and its files hold every tensor that the models
 * here ask for, in the right shape. Nothing is loaded or computed: the models are traced.
 */
import { describeError } from '../../storage/errors.ts';
import * as op from '../graph/ops.ts';
import { sizeOf } from '../graph/tensor.ts';
import { clipText } from './clip-text.ts';
import type { ClipTextConfig } from './model-configs.ts';
import { openModelFolder, type ModelComponent, type ModelFolder } from './model-folder.ts';
import { parametersOf, type ParameterShape, type Parameters } from './parameters.ts';
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
  const problems: ModelProblem[] = [];
  const count = (component: ModelComponent<unknown>, forward: (p: Parameters) => unknown): number => {
    const shapes = parametersOf(forward);
    problems.push(...compare(component, shapes));
    return shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  };

  const textEncoderParameters = model.textEncoders.reduce(
    (sum, encoder) => sum + count(encoder, (p) => traceClip(encoder.config, p)),
    0,
  );
  // The smallest latents whose sides halve evenly at every level; sizes do not change what is asked for.
  const side = 2 ** (model.unet.config.block_out_channels.length - 1);
  const unetParameters = count(model.unet, (p) =>
    unet(model.unet.config, p, unetInputs(model.unet.config, 1, side, side, 1)),
  );
  const { config } = model.vae;
  const vaeParameters = count(model.vae, (p) => [
    vaeEncoder(config, p, op.input('pictures', [1, config.in_channels, vaeScale(config), vaeScale(config)])),
    vaeDecoder(config, p, op.input('latents', [1, config.latent_channels, 1, 1])),
  ]);
  for (const folder of model.tokenizers)
    await loadTokenizer(folder).catch((error: unknown) => problems.push(describeError(error)));

  return {
    architecture: model.architecture,
    unetParameters,
    textEncoderParameters,
    vaeParameters,
    ok: problems.every(({ code }) => code === 'MODEL_TENSOR_UNKNOWN'),
    problems,
  };
}

function traceClip(config: ClipTextConfig, p: Parameters): unknown {
  const length = config.max_position_embeddings;
  return clipText(config, p, op.input('ids', [1, length], 'int64'), op.input('ends', [1, length]));
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
