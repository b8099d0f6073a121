/**
 * @file Trains only an autoencoder, by autoencoder.json, on all drawings available: wider and sharper than one trained
 * on the model's own concepts. Starts from an earlier one's weights, saves checkpoints, and resumes.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../core/files.ts';
import { KeyedRandom } from '../../core/random.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { vaeConfig, type VaeConfig } from '../../gpu-worker/models/model-configs.ts';
import { givenParameters } from '../../gpu-worker/models/parameters.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { readNsfwWeights } from '../../gpu-worker/safety/nsfw-weights.ts';
import { autoencoderCurve } from './quality.ts';
import { autoencoderLicences } from './autoencoder-licences.ts';
import { sampleAutoencoderCrop } from './crops.ts';
import { loadBank, type Bank } from './drawings.ts';
import {
  LICENSES,
  readAutoencoder,
  writeAutoencoder,
  type StoredAutoencoder,
} from '../pretrain/autoencoder-folder.ts';
import { autoencoderLoss, type SharperTerms } from '../pretrain/autoencoder-loss.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { autoencoderSchema, checkConfig, type AutoencoderConfig } from '../pretrain/config-schema.ts';
import { initialise } from '../pretrain/initialise.ts';
import { mobileNetFeatureMaps } from '../pretrain/perceptual-loss.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { runStage, type Stage, type StageOptions } from '../pretrain/stage.ts';
import { widened } from './widen.ts';

export interface TrainAutoencoderOptions extends StageOptions {
  /** File such as autoencoder.json. */
  readonly config: string;
  /** Folder of an autoencoder to start from, widened. */
  readonly from: string;
  /** A folder of photos to train with; none by default. */
  readonly photos?: string;
  /** Output folder, written at every save and at the end. */
  readonly out: string;
}

/**
 * Trains, or resumes from the folder. curve.jsonl records the errors on held-out drawings at every save.
 *
 * @throws KronaError PRETRAIN_CONFIG, PRETRAIN_ART_MISSING, SAFETY_MODEL_MISSING, MODEL_*, DISK_FULL; the signal's
 * reason
 */
export async function trainAutoencoder(options: TrainAutoencoderOptions): Promise<void> {
  const { folder, out, photos, ...hooks } = options;
  const config = checkConfig(autoencoderSchema, '', JSON.parse(await readFile(options.config, 'utf8')));
  const data = await readPretrainData();
  const bank = await loadBank(data, join(folder, 'drawings'), config.training.seed, photos);
  const earlier = await readAutoencoder(options.from);
  const vae = vaeConfig('vae', config.vae);
  const stage = await autoencoderStage(config, vae, bank, data, earlier);
  const curve = await autoencoderCurve(data);
  const keep = async (parameters: ReadonlyMap<string, Float32Array>, step: number): Promise<void> => {
    await writeAutoencoder(out, config.vae, parameters);
    await writeWhole(join(out, LICENSES), await autoencoderLicences(photos));
    const figures = await curve(out);
    await appendFile(
      join(folder, 'curve.jsonl'),
      `${JSON.stringify({ step, at: new Date(), ...figures })}\n`,
    );
  };
  const trained = await runStage({ ...stage, saved: keep }, { folder, ...hooks });
  await keep(trained, config.training.steps);
}

async function autoencoderStage(
  { training }: AutoencoderConfig,
  vae: VaeConfig,
  bank: Bank,
  data: PretrainData,
  earlier: StoredAutoencoder,
): Promise<Stage> {
  const { seed, batch, side, kl } = training;
  const latents = [batch, vae.latent_channels, side / vaeScale(vae), side / vaeScale(vae)];
  const inputs = { image: op.input('image', [batch, 3, side, side]), noise: op.input('noise', latents) };
  const terms: SharperTerms = {
    ...(training.perceptual > 0 && {
      perceptual: {
        maps: mobileNetFeatureMaps(givenParameters(await readNsfwWeights())),
        weight: training.perceptual,
      },
    }),
    ...(training.adversarial > 0 && { adversarial: { weight: op.scalar(training.adversarial) } }),
  };
  const one = 3 * side * side;
  return {
    name: 'autoencoder',
    settings: training,
    loss: (p) => autoencoderLoss(vae, p, inputs, kl, terms),
    initial: (layout) =>
      Promise.resolve(
        widened(earlier.config, vae, earlier.tensors, layout, initialise(layout, seed, false), seed),
      ),
    batch(step) {
      const image = new Float32Array(batch * one);
      for (let row = 0; row < batch; row++)
        sampleAutoencoderCrop(bank, data.backgrounds, seed, step * batch + row, side, image, row * one);
      return Promise.resolve({
        image,
        noise: new KeyedRandom(seed, 'posterior', step).normals(sizeOf(latents)),
      });
    },
  };
}
