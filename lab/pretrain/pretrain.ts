/**
 * @file The recipe of the embedded model, from drawings to a diffusers folder: vocabulary, autoencoder, latents, then
 * UNet and text encoders together. Every stage saves its state and resumes; a finished one is skipped.
 */
import { at } from '../../core/at.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readFileIfAny } from '../../core/files.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { clipText } from '../../gpu-worker/models/clip-text.ts';
import type { ClipTextConfig } from '../../gpu-worker/models/model-configs.ts';
import type { Parameters } from '../../gpu-worker/models/parameters.ts';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from '../../gpu-worker/models/vae.ts';
import { givenAutoencoder, LICENSES } from './autoencoder-folder.ts';
import { autoencoderStage } from './autoencoder-stage.ts';
import { trainModelVocabulary, writeTokenizers } from './bpe.ts';
import { claimRun } from './claim-run.ts';
import { diffusionStage } from './diffusion-stage.ts';
import { fromModel, fromScratch, type StartingValues } from './earlier-model.ts';
import type { Evaluation } from './evaluate-model.ts';
import { vocabularySizes, type Part, type TrainedModel } from './export-model.ts';
import { cacheLatents } from './latent-cache.ts';
import { readPretrainConfig, type PretrainConfig } from './pretrain-config.ts';
import { checkOut, publishModel, type Publication } from './publish-model.ts';
import { loadSprites, type SpriteSheet } from './sprites.ts';
import { runStage, type StageOptions } from './stage.ts';
import { recordProgress, writeStatusPage, type LoggedProgress } from './status-page.ts';
import { readTrainingHistory, recordedStages, type TrainingRun } from './training-history.ts';

export interface PretrainOptions {
  readonly config: string;
  /** Folder for checkpoints, latents, logs, sample sheets and the run's page index.html. */
  readonly folder: string;
  /** A model to take initial weights from, where shapes match; none by default: from scratch. */
  readonly from?: string;
  /** Folder of a trained autoencoder with the configuration's sizes; by default the run trains one. */
  readonly autoencoder?: string;
  /** Output folder of the model, written after every save of the last stage and at the end. */
  readonly out: string;
  /** Seconds between saves of the last stage; 600 by default. */
  readonly secondsBetweenSaves?: number;
  readonly onProgress?: (progress: LoggedProgress) => void;
  readonly onSamples?: (sheet: string, evaluation: Evaluation) => void;
  readonly signal?: AbortSignal;
}

/** Prompts drawn at every save and at the end. */
const SAMPLED = 32;
const JUDGED = 128;

/** The run's page, for a browser. */
export const statusPagePath = (folder: string): string => join(folder, 'index.html');

/**
 * Trains, or resumes from the folder.
 *
 * @throws KronaError PRETRAIN_CONFIG, PRETRAIN_ART_MISSING, PRETRAIN_MISMATCH (the folder belongs to something else),
 * PRETRAIN_OUT, PRETRAIN_HISTORY, MODEL_*, DISK_FULL, FILE_UNWRITABLE; and the signal's reason when it aborts
 */
export async function pretrain(options: PretrainOptions): Promise<void> {
  const { folder, from, out, secondsBetweenSaves = 600, onProgress, signal } = options;
  const config = await readPretrainConfig(options.config);
  const stageOptions: StageOptions = {
    folder,
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  };
  await checkOut(out, from);
  const earlier = from === undefined ? [] : await readTrainingHistory(from);
  await makeFolder(folder);
  await writeStatusPage(folder);

  const given =
    options.autoencoder === undefined ? undefined : await givenAutoencoder(options.autoencoder, config.vae);

  const autoencoderLicences =
    options.autoencoder === undefined ? null : await readFileIfAny(join(options.autoencoder, LICENSES));

  // 1. drawings and words
  const sheet = await loadSprites(config.data, join(folder, 'sprites'));
  await claimRun(folder, config, sheet.versions, { from, autoencoder: given });
  const { vocabulary, text, tokenizers } = await words(config, folder);

  // 2. the autoencoder
  const start = from === undefined ? fromScratch : await fromModel(from, vocabulary.vocab);
  const vae = given ?? (await ownAutoencoder(config, sheet, start, stageOptions));

  // 3. all pictures as latents
  const cache = await cacheLatents(config, sheet, vae, folder, reporter('latents', options));

  // 4. the UNet and its text encoders
  const { scalingFactor } = cache;
  const model = { config, vocabulary, scalingFactor, forward: forwards(config, text) };
  const publish = (trained: ReadonlyMap<string, Float32Array>, judged: Judged): Promise<void> =>
    publishRun(options, earlier, {
      model: { ...model, parts: partsOf(trained, vae) },
      sheet,
      autoencoderLicences,
      ...judged,
    });
  const diffusion = diffusionStage(config, cache, text, tokenizers, start);
  const trained = await runStage(
    { ...diffusion, saved: (parameters) => publish(parameters, { prompts: SAMPLED }) },
    { ...stageOptions, secondsBetweenSaves },
  );

  // 5. the model, also when an earlier call stopped after training but before writing it
  await publish(trained, { prompts: JUDGED, onDrawn: reporter('judging', options) });
}

/** The vocabulary, written to the folder for both text encoders, and what they need of it. */
async function words(config: PretrainConfig, folder: string) {
  const { maxLength } = config.data.tokenizer;
  const vocabulary = await trainModelVocabulary(config.data);
  await writeTokenizers(folder, vocabulary, maxLength);
  const sizes = vocabularySizes(vocabulary, maxLength);
  const tokenizers = [
    await loadTokenizer(join(folder, 'tokenizer')),
    await loadTokenizer(join(folder, 'tokenizer_2')),
  ] as const;
  const text = config.textEncoders({ size: sizes.vocab_size, end: sizes.eos_token_id });
  return { vocabulary, text, tokenizers };
}

type Judged = Pick<Publication, 'prompts' | 'onDrawn'>;

/** Publishes the model of this run and keeps the judged sheet in the run's folder. */
async function publishRun(
  { folder, out, onSamples }: PretrainOptions,
  earlier: readonly TrainingRun[],
  { model, ...publication }: Omit<Publication, 'training'>,
): Promise<void> {
  const { autoencoder, diffusion } = model.config.training;
  const stages = await recordedStages(folder, { autoencoder, diffusion });
  const evaluation = await publishModel(out, { model, training: [...earlier, { stages }], ...publication });
  const path = join(folder, `sheet-${String(at(stages, -1).steps).padStart(6, '0')}.png`);
  await writeFile(path, evaluation.sheet);
  await writeStatusPage(folder);
  onSamples?.(path, evaluation);
}

async function ownAutoencoder(
  config: PretrainConfig,
  sheet: SpriteSheet,
  start: StartingValues,
  options: StageOptions,
): Promise<Map<string, Float32Array>> {
  const { stage, close } = autoencoderStage(config, sheet, start);
  try {
    return await runStage(stage, options);
  } finally {
    await close();
  }
}

/** Reports a stage without a loss, and logs every tenth report. */
function reporter(
  stage: string,
  { folder, onProgress, signal }: PretrainOptions,
): (step: number, steps: number) => Promise<void> {
  let first: { readonly step: number; readonly at: number } | undefined;
  let reports = 0;
  return async (step, steps) => {
    signal?.throwIfAborted();
    const at = performance.now();
    first ??= { step, at };
    const perSecond = at > first.at ? (1000 * (step - first.step)) / (at - first.at) : 0;
    const secondsLeft = perSecond > 0 ? (steps - step) / perSecond : 0;
    const nothing = { loss: null, gradientNorm: null };
    const progress = { stage, step, steps, ...nothing, samplesPerSecond: perSecond, secondsLeft };
    onProgress?.(progress);
    if (reports++ % 10 === 0 || step === steps) await recordProgress(folder, progress);
  };
}

/** The parameters of the last stage by part, and the autoencoder's. */
function partsOf(
  trained: ReadonlyMap<string, Float32Array>,
  vae: ReadonlyMap<string, Float32Array>,
): TrainedModel['parts'] {
  const part = (name: Part): ReadonlyMap<string, Float32Array> =>
    new Map(
      [...trained]
        .filter(([key]) => key.startsWith(`${name}.`))
        .map(([key, value]) => [key.slice(name.length + 1), value]),
    );
  return {
    text_encoder: part('text_encoder'),
    text_encoder_2: part('text_encoder_2'),
    unet: part('unet'),
    vae,
  };
}

/** Each part's forward pass at an arbitrary size: the parameters don't depend on it. */
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
