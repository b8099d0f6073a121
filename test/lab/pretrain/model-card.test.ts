import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { embeddedModel } from '../../../core/package.ts';
import { openSafetensors } from '../../../gpu-worker/models/safetensors.ts';
import { artVersion } from '../../../lab/pretrain/sprites.ts';
import { modelLicences } from '../../../lab/pretrain/licences.ts';
import { writeModelCard } from '../../../lab/pretrain/model-card.ts';
import { judgeSetNotices } from '../../../lab/evaluate/judge-art.ts';
import { defaultConfigPath, readPretrainConfig } from '../../../lab/pretrain/pretrain-config.ts';
import { readTrainingHistory } from '../../../lab/pretrain/training-history.ts';

const published = (name: string): Promise<string> => readFile(join(embeddedModel, name), 'utf8');

/** `krona evaluate model --card` writes these parts. */
const withoutResults = (card: string): string =>
  card.replace(/^## Measured\n[^]*?(?=^## )/m, '').replace(/^It misses these goals[^]*?(?=^## )/m, '');

async function parameterCount(...parts: readonly string[]): Promise<number> {
  let count = 0;
  for (const part of parts) {
    const { tensors } = await openSafetensors(join(embeddedModel, part));
    for (const { shape } of tensors.values()) count += shape.reduce((product, side) => product * side, 1);
  }
  return count;
}

it('writes the README.md and the licences of the embedded model, apart from the results', async () => {
  const { data } = await readPretrainConfig(defaultConfigPath);
  const versions = await Promise.all(data.styles.map(({ set }) => artVersion(set)));
  const shares = { background: 0, top1: 0, top5: 0, style: 0, all: 0, copyDistance: 0 };
  const card = writeModelCard({
    name: 'krona-emoji',
    data,
    versions,
    parameters: {
      'UNet and text encoders': await parameterCount(
        'unet/diffusion_pytorch_model.safetensors',
        'text_encoder/model.safetensors',
        'text_encoder_2/model.safetensors',
      ),
      VAE: await parameterCount('vae/diffusion_pytorch_model.safetensors'),
    },
    training: await readTrainingHistory(embeddedModel),
    heldOut: { prompts: 0, ...shares },
  });
  expect(withoutResults(card)).toBe(withoutResults(await published('README.md')));
  const licences = await published('MODEL_LICENSES.md');
  expect(licences.startsWith((await modelLicences('krona-emoji', versions, '')).trimEnd())).toBe(true);
  // The autoencoder was trained by itself, on more sets and on photos.
  for (const notice of judgeSetNotices()) expect(licences).toContain(notice);
  expect(licences).toMatch(/# Photos\n\n- astronaut/);
});
