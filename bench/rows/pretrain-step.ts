/** @file A step of training from scratch, by the recipe of the embedded model: the last stage, with all gradients. */
import { join } from 'node:path';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { trainModelVocabulary, writeTokenizers } from '../../lab/pretrain/bpe.ts';
import {
  defaultConfigPath,
  readPretrainConfig,
  type PretrainConfig,
} from '../../lab/pretrain/pretrain-config.ts';
import { diffusionStage } from '../../lab/pretrain/diffusion-stage.ts';
import { fromScratch } from '../../lab/pretrain/earlier-model.ts';
import { vocabularySizes } from '../../lab/pretrain/export-model.ts';
import { runStage, stageLayout, stageOutputs, type Stage } from '../../lab/pretrain/stage.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Context, Measured } from '../context.ts';
import { countedProgram } from '../counted-program.ts';
import { productSeconds, StepClock, stepRows } from '../step.ts';

export async function measurePretrainStep(context: Context): Promise<Measured> {
  const { quick, folder } = context;
  const config = await readPretrainConfig(defaultConfigPath);
  const stage = await recipe(config, folder);

  // 1. whole steps, stopped before the first save
  const whole = await StepClock.create(context);
  const stop = new AbortController();
  const timed: Stage = {
    ...stage,
    async batch(step) {
      await whole.begin();
      return stage.batch(step);
    },
  };
  await runStage(timed, {
    folder,
    signal: stop.signal,
    onProgress: ({ step }) => {
      whole.end();
      if (step === (quick ? 3 : 12)) stop.abort();
    },
  }).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await whole.release();

  // 2. the share that multiplies matrices
  const layout = stageLayout(stage);
  const counted = countedProgram(stageOutputs(stage, layout));
  const feeds = { ...(await stage.batch(0)), parameters: await stage.initial(layout) };
  const beside = await StepClock.create(context);
  const seconds = await productSeconds(counted, feeds, quick ? 2 : 8, beside, context);
  await beside.release();

  const what = `Step from scratch, batch ${config.training.diffusion.batch}, ${config.data.size}×${config.data.size}`;
  return { rows: stepRows(what, counted.flops, { seconds, best: beside.best }, whole) };
}

/** The stage with its real vocabulary and captions; its latents are noise, which takes the same time. */
async function recipe(config: PretrainConfig, folder: string): Promise<Stage> {
  const vocabulary = await trainModelVocabulary(config.data);
  const { maxLength } = config.data.tokenizer;
  await writeTokenizers(folder, vocabulary, maxLength);
  const sizes = vocabularySizes(vocabulary, maxLength);
  const captions = config.data.concepts.map(({ word }) => [`a 3d ${word} on a green background`]);
  const side = config.data.size / vaeScale(config.vae);
  const cache = {
    captions,
    latents: new KeyedRandom(0, 'bench').normals(captions.length * config.vae.latent_channels * side * side),
    scalingFactor: 1,
  };
  return diffusionStage(
    config,
    cache,
    config.textEncoders({ size: sizes.vocab_size, end: sizes.eos_token_id }),
    [await loadTokenizer(join(folder, 'tokenizer')), await loadTokenizer(join(folder, 'tokenizer_2'))],
    fromScratch,
  );
}
