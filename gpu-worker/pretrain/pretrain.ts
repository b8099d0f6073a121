/**
 * @file The recipe of the embedded model, from drawings to a diffusers folder: vocabulary, autoencoder, latents, then
 * UNet and text encoders together. Every stage saves itself and goes on where it was; a finished one costs nothing.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as op from '../graph/ops.ts';
import { clipText } from '../models/clip-text.ts';
import type { ClipTextConfig } from '../models/model-configs.ts';
import type { Parameters } from '../models/parameters.ts';
import { loadTokenizer } from '../models/tokenizer.ts';
import { unet, unetInputs } from '../models/unet.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from '../models/vae.ts';
import { TextToImage } from '../sampling/text-to-image.ts';
import { autoencoderStage } from './autoencoder-stage.ts';
import { trainModelVocabulary, writeTokenizers } from './bpe.ts';
import { diffusionStage } from './diffusion-stage.ts';
import { drawPrompts, JUDGED_SAMPLING, type Evaluation } from './evaluate-model.ts';
import { fromModel, fromScratch } from './earlier-model.ts';
import { exportModel, PARTS, vocabularySizes, type Part } from './export-model.ts';
import { cacheLatents } from './latent-cache.ts';
import { writeModelCard, writeModelLicences } from './licences.ts';
import { readPretrainConfig, type PretrainConfig, type StageSettings } from './pretrain-config.ts';
import { loadSprites } from './sprites.ts';
import { runStage, type StageOptions, type StageProgress } from './stage.ts';

export interface PretrainOptions {
  readonly config: string;
  /** Checkpoints, latents, logs and sample sheets of the run. */
  readonly folder: string;
  /** A model whose weights this one begins with, where their shapes agree; default: none, from scratch. */
  readonly from?: string;
  /** Where the model is written, after every save of the last stage and at the end. */
  readonly out: string;
  readonly onProgress?: (progress: StageProgress) => void;
  readonly onSamples?: (sheet: string, evaluation: Evaluation) => void;
  readonly signal?: AbortSignal;
}

/** Prompts drawn at every save, and at the end. */
const SAMPLED = 32;
const JUDGED = 128;

/** @throws KronaError PRETRAIN_CONFIG, DISK_FULL; and the signal's reason when it aborts */
export async function pretrain(options: PretrainOptions): Promise<void> {
  const { folder, out, onProgress, signal } = options;
  const config = await readPretrainConfig(options.config);
  const stageOptions: StageOptions = {
    folder,
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  };
  const report = (stage: string, step: number, steps: number): void =>
    onProgress?.({ stage, step, steps, loss: 0, gradientNorm: 0, samplesPerSecond: 0, secondsLeft: 0 });
  await mkdir(folder, { recursive: true });

  // 1. drawings and words
  const sheet = await loadSprites(config.data, join(folder, 'sprites'));
  const vocabulary = await trainModelVocabulary(config.data);
  const { maxLength } = config.data.tokenizer;
  await writeTokenizers(folder, vocabulary, maxLength);
  const sizes = vocabularySizes(vocabulary, maxLength);
  const text = config.textEncoders({ size: sizes.vocab_size, end: sizes.eos_token_id });
  const tokenizers = [
    await loadTokenizer(join(folder, 'tokenizer')),
    await loadTokenizer(join(folder, 'tokenizer_2')),
  ] as const;

  // 2. the autoencoder
  const start = options.from ? await fromModel(options.from, vocabulary.vocab) : fromScratch;
  const { stage: autoencoder, close } = autoencoderStage(config, sheet, start);
  const vae = await runStage(autoencoder, stageOptions).finally(close);

  // 3. all pictures as latents
  const cache = await cacheLatents(config, sheet, vae, folder, (done, all) => {
    signal?.throwIfAborted();
    report('latents', done, all);
  });

  // 4. the UNet and what it is told
  const forward = forwards(config, text);
  const publish = async (parameters: ReadonlyMap<string, Float32Array>, step: number): Promise<void> => {
    const part = (name: Part): ReadonlyMap<string, Float32Array> =>
      name === 'vae'
        ? vae
        : new Map(
            [...parameters]
              .filter(([key]) => key.startsWith(`${name}.`))
              .map(([key, value]) => [key.slice(name.length + 1), value]),
          );
    const parts = Object.fromEntries(PARTS.map((name) => [name, part(name)])) as Record<
      Part,
      ReadonlyMap<string, Float32Array>
    >;
    await exportModel(out, { config, vocabulary, scalingFactor: cache.scalingFactor, parts, forward });
    const engine = await TextToImage.open(out);
    const evaluation = await drawPrompts(engine, config.data, sheet, SAMPLED).finally(() => engine.release());
    const path = join(folder, `sheet-${String(step).padStart(6, '0')}.png`);
    await writeFile(path, evaluation.sheet);
    options.onSamples?.(path, evaluation);
  };
  const diffusion = diffusionStage(config, cache, text, tokenizers, start);
  const trained = await runStage(
    { ...diffusion, saved: publish },
    { ...stageOptions, secondsBetweenSaves: 600 },
  );

  // 5. what it can do, told beside it
  const engine = await TextToImage.open(out);
  const evaluation = await drawPrompts(engine, config.data, sheet, JUDGED, (step) => {
    signal?.throwIfAborted();
    report('judging', step, JUDGED);
  }).finally(() => engine.release());
  const count = (parameters: ReadonlyMap<string, Float32Array>) =>
    [...parameters.values()].reduce((sum, values) => sum + values.length, 0);
  await writeFile(join(out, 'held-out.png'), evaluation.sheet);
  await writeFile(join(out, 'MODEL_LICENSES.md'), writeModelLicences(NAME, sheet.versions));
  await writeFile(
    join(out, 'README.md'),
    writeModelCard({
      name: NAME,
      data: config.data,
      versions: sheet.versions,
      parameters: { 'UNet and text encoders': count(trained), VAE: count(vae) },
      training: [
        ...(options.from
          ? ['begun on the weights of an earlier checkpoint, whose training is not counted here']
          : []),
        describeStage('autoencoder', config.training.autoencoder),
        describeStage('UNet and text encoders', config.training.diffusion),
      ],
      heldOut: evaluation.report,
      sampling: `${JUDGED_SAMPLING.steps} steps, guidance ${JUDGED_SAMPLING.guidance}.`,
    }),
  );
  options.onSamples?.(join(out, 'held-out.png'), evaluation);
}

const describeStage = (name: string, { steps, batch, lr }: StageSettings): string =>
  `${name}: ${(steps * batch).toLocaleString('en')} samples in ${steps} steps of ${batch}, learning rate ${lr} falling to 0`;

const NAME = 'krona-emoji';

/** Each part's forward pass at any size: its parameters do not depend on it. */
function forwards(
  config: PretrainConfig,
  text: readonly [ClipTextConfig, ClipTextConfig],
): Record<Part, (p: Parameters) => unknown> {
  const clip = (which: 0 | 1) => (p: Parameters) => {
    const shape = [1, text[which].max_position_embeddings];
    return clipText(text[which], p, op.input('ids', shape, 'int64'), op.input('end', shape));
  };
  const side = vaeScale(config.vae);
  return {
    text_encoder: clip(0),
    text_encoder_2: clip(1),
    unet: (p) => unet(config.unet, p, unetInputs(config.unet, 1, side, side, 1)),
    vae: (p) => [
      vaeEncoder(config.vae, p, op.input('pictures', [1, 3, side, side])),
      vaeDecoder(config.vae, p, op.input('latents', [1, config.vae.latent_channels, 1, 1])),
    ],
  };
}
