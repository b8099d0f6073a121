/** @file Recognises the model in a single file by the names and shapes of its tensors. */
import { at } from '../../../core/at.ts';
import { KronaError } from '../../../core/errors.ts';
import { ARCHITECTURES } from '../architecture.ts';
import { ConfigFields } from '../config-fields.ts';
import { inpaintingChannels } from '../inpainting.ts';
import { vaeConfig } from '../model-configs.ts';
import type { SafetensorsFile } from '../safetensors.ts';
import { UNET_PREFIX, VAE_PREFIX, type SingleFileModel } from './architectures.ts';

/** The features that distinguish UNets. */
interface UNetSigns {
  /** Channels of the input latents. */
  readonly input: number;
  /** Channels of its first layer. */
  readonly first: number;
  /** Width of the text states. */
  readonly text: number;
}

/** Tensors of other formats that people also call checkpoints. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/(^|[._])(lora|lokr|hada)_|\.diff$/, 'an adapter and not a model; give it as the adapter'],
  [/^control_model\.|^controlnet|^input_hint_block/, 'a ControlNet'],
  [/^(model\.diffusion_model\.)?double_blocks\./, 'a FLUX model'],
  [/^(model\.diffusion_model\.)?joint_blocks\./, 'a Stable Diffusion 3 model'],
  [
    /^(down_blocks|up_blocks|mid_block|conv_in|text_model|encoder|decoder|time_embedding)\./,
    'one part of a diffusers folder; give the folder that has the model_index.json',
  ],
];

/** @throws KronaError MODEL_ARCHITECTURE_UNSUPPORTED with a guess at what the file is */
export function recognise(file: SafetensorsFile, known: readonly SingleFileModel[]): SingleFileModel {
  const names = [...file.tensors.keys()];
  const has = (prefix: string): boolean => names.some((name) => name.startsWith(prefix));
  const signs = has(UNET_PREFIX) ? unetSigns(file) : null;
  if (signs === null) {
    const kind = FOREIGN.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
    throw unsupported(
      file,
      kind === undefined
        ? `holds no UNet under original names (${UNET_PREFIX}input_blocks.…); its first tensor is ${names[0] ?? 'none'}`
        : `is ${kind}`,
      known,
    );
  }
  const sameUnet = known.filter(({ unet }) => {
    const fields = new ConfigFields('the UNet', unet);
    const [first] = fields.integers('block_out_channels', []);
    return first === signs.first && fields.integer('cross_attention_dim') === signs.text;
  });
  const found = sameUnet.find(({ textEncoders }) => textEncoders.every(({ prefix }) => has(prefix)));
  if (found === undefined) {
    const near = sameUnet[0];
    throw unsupported(
      file,
      near === undefined
        ? `holds a UNet that begins with ${signs.first} channels and reads text of width ${signs.text}, which is no model known here`
        : `holds the UNet of ${ARCHITECTURES[near.architecture].label} without its text ` +
            `encoders (${near.textEncoders.map(({ prefix }) => `${prefix}…`).join(', ')}); use a checkpoint that has all parts`,
      known,
    );
  }
  const { latent_channels } = vaeConfig('the VAE', found.vae);
  const expected = [latent_channels, inpaintingChannels({ latent_channels })];
  if (!expected.includes(signs.input)) {
    const kind = signs.input === 5 ? 'a depth-guided' : 'an unknown';
    throw unsupported(
      file,
      `is ${kind} variant of ${ARCHITECTURES[found.architecture].label}: its UNet reads ${signs.input} channels, ` +
        `expected ${expected.join(', or for inpainting ')}`,
      known,
    );
  }
  if (!has(VAE_PREFIX))
    throw unsupported(file, `has no VAE (${VAE_PREFIX}…); use a checkpoint with a VAE baked in`, known);
  return found;
}

/** Variants whose UNets have additional inputs, and what to use instead. */
const VARIANTS: readonly (readonly [RegExp, string, string])[] = [
  [
    /^noise_augmentor\.|^embedder\.model\.visual\./,
    'an unCLIP model, whose UNet also reads embeddings of pictures',
    'use its text-to-image original, for example stabilityai/stable-diffusion-2-1',
  ],
  [
    /^model\.diffusion_model\.label_emb\./,
    'a model whose UNet also reads a class or a picture (label_emb)',
    'use the text-to-image model that it was made from',
  ],
];

/**
 * Refuses a file that only looks like a known model: without its leftover tensors, its UNet would compute something
 * else.
 *
 * @param left names of the file's tensors that `model` doesn't use
 * @throws KronaError MODEL_ARCHITECTURE_UNSUPPORTED
 */
export function refuseOthers(
  file: SafetensorsFile,
  { architecture }: SingleFileModel,
  left: ReadonlySet<string>,
): void {
  const { label } = ARCHITECTURES[architecture];
  const refusal = (found: readonly string[], what: string, advice: string) =>
    new KronaError(
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      `${file.name} ${what}: ${found.length} tensors have no place in ${label}, the first is ${found[0]}. Expected ` +
        `${label} and no more; ${advice}.`,
    );
  for (const [sign, what, advice] of VARIANTS) {
    const found = [...left].filter((name) => sign.test(name));
    if (found.length > 0) throw refusal(found, `is ${what}`, advice);
  }
  const found = [...left].filter((name) => name.startsWith(UNET_PREFIX));
  if (found.length > 0)
    throw refusal(
      found,
      'holds a UNet that is another',
      'use a checkpoint of the plain architecture, or remove these tensors if they are a mistake',
    );
}

function unetSigns(file: SafetensorsFile): UNetSigns | null {
  const first = file.tensors.get(`${UNET_PREFIX}input_blocks.0.0.weight`)?.shape;
  const reads = [...file.tensors].find(
    ([name]) => name.startsWith(UNET_PREFIX) && name.endsWith('.attn2.to_k.weight'),
  )?.[1].shape;
  if (first?.length !== 4 || reads?.length !== 2) return null;
  return { input: at(first, 1), first: at(first, 0), text: at(reads, 1) };
}

function unsupported(file: SafetensorsFile, what: string, known: readonly SingleFileModel[]): KronaError {
  const labels = known.map(({ architecture }) => ARCHITECTURES[architecture].label);
  return new KronaError(
    'MODEL_ARCHITECTURE_UNSUPPORTED',
    `${file.name} ${what}. Supported as single files: ${labels.join(', ')}.`,
  );
}
