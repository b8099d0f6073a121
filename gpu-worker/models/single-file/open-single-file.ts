/**
 * @file Opens a .safetensors checkpoint with the original tensor names (CompVis' ldm, Stability's sgm) as the same
 * model as its diffusers folder. Nothing is converted: each parameter is a range of the file, even a third of a fused
 * tensor.
 */
import { basename } from 'node:path';
import { ARCHITECTURES } from '../architecture.ts';
import { clipTextConfig, unetConfig, vaeConfig } from '../model-configs.ts';
import { fewStepsOf } from '../few-steps.ts';
import type { ModelComponent, ModelFolder } from '../model-folder.ts';
import { checkFit } from '../model-fit.ts';
import type { ModelTensor, ParameterShape } from '../parameters.ts';
import { clipParameters, unetParameters, vaeParameters } from '../part-parameters.ts';
import { openSafetensors, type SafetensorsFile, type StoredTensor } from '../safetensors.ts';
import {
  LCM,
  SINGLE_FILE_MODELS,
  UNET_PREFIX,
  VAE_PREFIX,
  type SingleFileModel,
  type TextEncoderPart,
} from './architectures.ts';
import { openClipPlace, PROJECTIONS, type ClipPlace } from './clip-names.ts';
import { predictionOf } from './prediction.ts';
import { recognise, refuseOthers } from './recognise.ts';
import { tokenizerFolder } from './tokenizer-folder.ts';
import { originalUnetName } from './unet-names.ts';
import { unetChanges } from './unet-shape.ts';
import { originalVaeName } from './vae-names.ts';

/** Ignored tensors: schedules, averaged copies, markers, constants. */
const KNOWN_EXTRA =
  /^(betas|alphas_|sqrt_|log_one_minus_|posterior_|logvar$|model_ema\.|denoiser\.|loss\.|v_pred$|ztsnr$|edm_)|\.position_ids$|\.logit_scale$|\.attn_mask$|^first_stage_model\.(loss|model_ema)\./;

/**
 * @param known the supported models, with their configs @throws KronaError MODEL_ARCHITECTURE_UNSUPPORTED,
 * SAFETENSORS_*, FILE_*
 */
export async function openSingleFile(
  path: string,
  known: readonly SingleFileModel[] = SINGLE_FILE_MODELS,
): Promise<ModelFolder> {
  const file = await openSafetensors(path);
  const model = recognise(file, known);
  const { velocity, zeroSnr } = await predictionOf(file, model, path);
  const changed = velocity ? model.velocity : null;
  const left = new Set(file.tensors.keys());
  const family = { ...model.unet, ...changed?.unet };
  const parts = openParts(file, left, { ...model, unet: { ...family, ...unetChanges(file, family) } });
  refuseOthers(file, model, left);
  const textConfigs = parts.textEncoders.map(({ config }) => config);
  checkFit(model.architecture, textConfigs, parts.unet.config, parts.vae.config);

  const name = basename(path).replace(/\.safetensors$/i, '');
  const folder = await tokenizerFolder(path);
  const tokenizer = ({ pad }: TextEncoderPart) => ({ folder, pad });
  const [first, ...more] = model.textEncoders;
  return {
    name,
    path: file.path,
    architecture: model.architecture,
    ...parts,
    tokenizers: [tokenizer(first), ...more.map(tokenizer)],
    scheduler: {
      ...(changed?.scheduler ?? (parts.unet.config.time_cond_proj_dim === undefined ? model.scheduler : LCM)),
      // A file has no scheduler: names such as …Lightning_4step say what it was distilled for.
      ...fewStepsOf(name)?.scheduler,
      ...(zeroSnr ? { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' } : {}),
    },
    forceZerosForEmptyPrompt: model.forceZerosForEmptyPrompt,
    extra: [...left].filter((name) => !KNOWN_EXTRA.test(name) && !isUnusedText(name, model)),
  };
}

/** The parts of a file; removes their tensors from `left`. */
function openParts(
  file: SafetensorsFile,
  left: Set<string>,
  { architecture, unet, vae, textEncoders: [first, ...more] }: SingleFileModel,
): Pick<ModelFolder, 'unet' | 'vae' | 'textEncoders'> {
  const ownUnet = unetConfig('the UNet', unet, ARCHITECTURES[architecture].timeIds);
  const ownVae = vaeConfig('the VAE', vae);
  const textEncoder = ({ part: name, prefix, names, config, projected }: TextEncoderPart) => {
    const own = clipTextConfig('the text encoder', config, projected);
    const places = (names === 'openclip' ? openClipPlaces : clipPlaces)(file, prefix);
    return part(file, left, { name, prefix, config: own, parameters: clipParameters(own), place: places });
  };
  return {
    unet: part(file, left, {
      name: 'unet',
      prefix: UNET_PREFIX,
      config: ownUnet,
      parameters: unetParameters(ownUnet),
      place: (name) => ({ name: originalUnetName(name, ownUnet) }),
    }),
    vae: part(file, left, {
      name: 'vae',
      prefix: VAE_PREFIX,
      config: ownVae,
      parameters: vaeParameters(ownVae),
      place: (name) => ({ name: originalVaeName(name, ownVae.block_out_channels.length) }),
    }),
    textEncoders: [textEncoder(first), ...more.map(textEncoder)],
  };
}

/** transformers' names, without `text_model.` in old files. */
function clipPlaces(file: SafetensorsFile, prefix: string): (name: string) => ClipPlace {
  const bare = file.tensors.has(`${prefix}embeddings.token_embedding.weight`);
  return (name) => ({ name: bare ? name.replace(/^text_model\./, '') : name });
}

function openClipPlaces(file: SafetensorsFile, prefix: string): (name: string) => ClipPlace {
  const linear = file.tensors.has(`${prefix}${PROJECTIONS[1]}`);
  return (name) => openClipPlace(name, linear);
}

/** Unused text layers and an unused projection: SD 2 reads neither. */
function isUnusedText(name: string, { textEncoders }: SingleFileModel): boolean {
  return textEncoders.some(({ prefix, config, projected, names }) => {
    if (names !== 'openclip' || !name.startsWith(prefix)) return false;
    const layer = /^transformer\.resblocks\.(\d+)\./.exec(name.slice(prefix.length))?.[1];
    return layer === undefined
      ? !projected && PROJECTIONS.some((projection) => name === prefix + projection)
      : Number(layer) >= Number(config['num_hidden_layers']);
  });
}

/** One part of the file, and the location of its parameters. */
interface PartPlan<Config> {
  readonly name: string;
  /** Of its tensors in the file. */
  readonly prefix: string;
  readonly config: Config;
  readonly parameters: readonly ParameterShape[];
  readonly place: (parameter: string) => ClipPlace;
}

/** Locates one part of the file, its tensors under diffusers' names; removes the found ones from `left`. */
function part<Config>(
  file: SafetensorsFile,
  left: Set<string>,
  { name, prefix, config, parameters, place }: PartPlan<Config>,
): ModelComponent<Config> {
  const tensors = new Map<string, ModelTensor>();
  for (const { name: parameter, shape } of parameters) {
    const { name: original, third, transposed } = place(parameter);
    const stored = file.tensors.get(prefix + original);
    if (stored === undefined) continue;
    left.delete(prefix + original);
    const rows = third === undefined ? stored : thirdOf(stored, third);
    tensors.set(parameter, transposed ? transposedOf(rows) : pointwiseAs(rows, shape));
  }
  return { name, config, tensors, fileName: (parameter) => prefix + place(parameter).name };
}

/** Rows of q, k or v in a fused tensor: a row-major slice of rows is one range of bytes. */
function thirdOf(stored: StoredTensor, third: number): StoredTensor {
  const [rows, ...rest] = stored.shape;
  // Returned unchanged, so that its wrong shape is reported.
  if (rows === undefined || rows % 3 !== 0) return stored;
  const length = stored.length / 3;
  return { ...stored, shape: [rows / 3, ...rest], offset: stored.offset + third * length, length };
}

const transposedOf = (stored: StoredTensor): ModelTensor => ({
  ...stored,
  shape: stored.shape.toReversed(),
  transposed: true,
});

/** A 1×1 convolution is a matrix with the same bytes, and vice versa. */
function pointwiseAs(stored: StoredTensor, shape: readonly number[]): StoredTensor {
  const bare = (sizes: readonly number[]): string =>
    (sizes.length === 4 && sizes[2] === 1 && sizes[3] === 1 ? sizes.slice(0, 2) : sizes).join();
  return stored.shape.join() !== shape.join() && bare(stored.shape) === bare(shape)
    ? { ...stored, shape }
    : stored;
}
