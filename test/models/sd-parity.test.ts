/**
 * SD 1.x, SD 2.x, SDXL and its refiner compute what diffusers and transformers compute, whether they come from a folder
 * (16-bit, `fp16` variant, shards) or from a single file with the original names (test/fixtures/sd-tiny).
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { vaeConfig } from '../../gpu-worker/models/model-configs.ts';
import { componentTensors, readJson } from '../../gpu-worker/models/model-files.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { TextEncoder } from '../../gpu-worker/models/text-encoder.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/models/vae.ts';
import { worstError } from '../helpers/fixtures.ts';
import { openTiny, PLAIN_VAE, readReference, type TinyName } from '../helpers/sd-fixtures.ts';

const NAMES: readonly TinyName[] = ['sd15', 'sd21', 'refiner', 'sdxl'];
// sdxl-tiny's folder holds fp32 weights, its single file those rounded to half: only that has values here.
const CASES = NAMES.flatMap((name) =>
  (['folder', 'single file'] as const)
    .filter((form) => name !== 'sdxl' || form !== 'folder')
    .map((form) => ({ name, form })),
);

const run = async (outputs: Record<string, Tensor>, feeds: Feeds): Promise<Record<string, Float32Array>> =>
  await runOnce(compile(outputs), feeds);

describe.each(CASES)('$name from a $form', ({ name, form }) => {
  it('encodes prompts into the states and pooled text that its UNet was trained on', async () => {
    const { tensor, facts } = await readReference(name);
    const encoder = await TextEncoder.open(await openTiny(name, form));
    const parts = name === 'refiner' ? ['_2'] : name === 'sdxl' ? ['', '_2'] : [''];
    for (const [row, prompt] of facts.prompts.entries()) {
      const { states, pooled } = await encoder.encode(prompt);
      const { tokens, width } = encoder;
      let column = 0;
      for (const part of parts) {
        const { data, shape } = tensor(`text.states${part}`);
        const own = shape[2]!;
        const expected = data.subarray(row * tokens * own, (row + 1) * tokens * own);
        const found = expected.map((_, i) => states[Math.floor(i / own) * width + column + (i % own)]!);
        expect(worstError(found, expected), prompt).toBeLessThan(1e-4);
        column += own;
      }
      expect(column).toBe(width);
      if (name === 'sd15' || name === 'sd21') expect(pooled).toHaveLength(0);
      else {
        const { data, shape } = tensor('text.pooled');
        const expected = data.subarray(row * shape[1]!, (row + 1) * shape[1]!);
        expect(worstError(pooled, expected), prompt).toBeLessThan(1e-4);
      }
    }
    await encoder.release();
  });

  it.each(name === 'sdxl' ? ['unet'] : ['unet', 'odd'])(
    'predicts what diffusers predicts (%s)',
    async (which) => {
      const { tensor } = await readReference(name);
      const model = await openTiny(name, form);
      const at = (key: string) => tensor(`${which}.${key}`);
      const [batch, , height, width] = at('sample').shape as [number, number, number, number];
      const { config, tensors } = model.unet;
      const inputs = unetInputs(config, batch, height, width, at('encoder_hidden_states').shape[1]!);
      const prediction = unet(config, frozenParameters('unet', tensors), inputs);
      const added =
        config.addition_embed_type === null
          ? {}
          : { text_embeds: at('text_embeds').data, time_ids: at('time_ids').data };
      const actual = await run(
        { prediction },
        {
          latents: at('sample').data,
          timesteps: at('timesteps').data,
          encoder_hidden_states: at('encoder_hidden_states').data,
          ...added,
        },
      );
      expect(worstError(actual['prediction']!, at('output').data)).toBeLessThan(1e-4);
    },
  );

  it('encodes and decodes pictures as diffusers does', async () => {
    const { tensor } = await readReference(name);
    const { vae } = await openTiny(name, form);
    const p = frozenParameters('vae', vae.tensors);
    const { mean, logvar } = vaeEncoder(vae.config, p, op.input('image', tensor('vae.image').shape));
    const decoded = vaeDecoder(vae.config, p, op.input('latents', tensor('vae.latents').shape));
    const actual = await run(
      { mean, logvar, decoded },
      { image: tensor('vae.image').data, latents: tensor('vae.latents').data },
    );
    for (const key of ['mean', 'logvar', 'decoded'])
      expect(worstError(actual[key]!, tensor(`vae.${key}`).data), key).toBeLessThan(1e-4);
  });
});

it('a VAE without quantisation convolutions and without attention computes what diffusers computes', async () => {
  const { tensor } = await readReference('vae-plain');
  const config = vaeConfig('vae/config.json', await readJson(join(PLAIN_VAE, 'vae'), 'config.json'));
  const p = frozenParameters('vae', await componentTensors(PLAIN_VAE, 'vae'));
  const { mean } = vaeEncoder(config, p, op.input('image', tensor('vae.image').shape));
  const decoded = vaeDecoder(config, p, op.input('latents', tensor('vae.latents').shape));
  const actual = await run(
    { mean, decoded },
    { image: tensor('vae.image').data, latents: tensor('vae.latents').data },
  );
  expect(worstError(actual['mean']!, tensor('vae.mean').data)).toBeLessThan(1e-4);
  expect(worstError(actual['decoded']!, tensor('vae.decoded').data)).toBeLessThan(1e-4);
});
