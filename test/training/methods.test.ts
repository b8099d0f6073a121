/** LoRA's gradients, and those through the text encoders, are torch autograd's; sizes of adapters are the papers'. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { ADAPTER_METHODS, type MethodOptions } from '../../gpu-worker/adapters/methods.ts';
import { clipTextConfig, unetConfig } from '../../gpu-worker/models/model-configs.ts';
import { endPositions } from '../../gpu-worker/models/clip-text.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { runOnce, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import { adapterGradient } from '../../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import type { Method } from '../../core/settings/choices.ts';
import { readFixture, TINY_MODEL } from '../helpers/fixtures.ts';
import { SDXL_UNET } from '../helpers/sdxl-config.ts';
import { expectSameGradient } from '../helpers/torch-gradient.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/adapters');

/** What torch computed, and what the engine does with the same factors. */
async function compared(file: string, method: Method, options: MethodOptions, text: boolean) {
  const model = await openModelFolder(TINY_MODEL);
  const { tensor } = await readFixture('kronecker-4x2');
  const stored = (await openSafetensors(join(FOLDER, file))).tensors;
  const shapes = ADAPTER_METHODS[method].shapes(model, options);
  const layout = adapterLayout(shapes);
  const [batch, , height, width] = tensor('latents').shape as [number, number, number, number];
  const schedule = noiseSchedule(model.scheduler);
  const tokens = tensor('encoder_hidden_states').shape[1]!;
  const program = adapterGradient(model, shapes, schedule, {
    batch,
    height: height * 8,
    width: width * 8,
    tokens,
    checkpointing: false,
  });
  const parameters = new Float32Array(layout.length);
  const known = layout.entries.filter(({ name }) => stored.has(`factors.${name}`));
  for (const { name, offset } of known)
    parameters.set(await readFloats(stored.get(`factors.${name}`)!), offset);
  const timesteps = tensor('timesteps').data;
  const ids = await Promise.all(
    model.tokenizers.map(async (folder) => (await loadTokenizer(folder)).encode('a photo of a cat')),
  );
  const told: Feeds = text
    ? Object.fromEntries<Feeds[string]>(
        ids.flatMap((each, n) => [
          [`ids.${n}`, BigInt64Array.from(each, BigInt)],
          [`end.${n}`, endPositions(model.textEncoders[n]!.config, [each])],
        ]),
      )
    : {
        encoder_hidden_states: tensor('encoder_hidden_states').data,
        text_embeds: tensor('text_embeds').data,
      };
  const { loss, gradient } = (await runOnce(program, {
    parameters,
    clean_latents: tensor('latents').data,
    noise: tensor('noise').data,
    timesteps,
    time_ids: tensor('time_ids').data,
    ...told,
    ...schedule.coefficients(timesteps),
  })) as { loss: Float32Array; gradient: Float32Array };
  const torch = new Map<string, Float32Array>();
  for (const { name } of layout.entries) {
    const its = stored.get(`grad.${name}`);
    if (its) torch.set(name, await readFloats(its));
  }
  const wanted = { loss: await readFloats(stored.get('loss')!), gradient: torch.get.bind(torch) };
  expectSameGradient(layout, { loss, gradient }, wanted);
  return { known: known.length, all: layout.entries.length };
}

describe('gradients', () => {
  it("of LoRA are torch's", async () => {
    const options = { a1: 1, a2: 1, rank: 2, alpha: 1 };
    const { known, all } = await compared('gradients-lora.safetensors', 'lora', options, false);
    expect([known, all]).toEqual([176, 176]);
  });

  it("of factors in the text encoders are torch's, through the UNet", async () => {
    const options = { a1: 4, a2: 2, targets: ['text-encoders'] } as const;
    const { known, all } = await compared('gradients-text-krona.safetensors', 'krona', options, true);
    // The first encoder's second layer comes after the states that SDXL takes.
    expect([known, all]).toEqual([32, 40]);
  });
});

/** The parts of the published configs that say which projections there are. */
const SD15 = { sample_size: 64, attention_head_dim: 8, cross_attention_dim: 768 };
const CLIP_L = { hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 };

function count(unet: object, method: Method, options: MethodOptions): number {
  const model = {
    unet: { name: 'unet', config: unetConfig('unet/config.json', { ...unet }), tensors: new Map() },
    textEncoders: [
      { name: 'text_encoder', config: clipTextConfig('', CLIP_L, false), tensors: new Map() },
    ] as never,
  };
  return adapterLayout(ADAPTER_METHODS[method].shapes(model, options)).length;
}

describe('the size of an adapter', () => {
  it.each<[string, object, Method, MethodOptions, number]>([
    ['SDXL, A 4×64', SDXL_UNET, 'krona', { a1: 4, a2: 64 }, 3_874_560],
    ['SDXL, A 8×64', SDXL_UNET, 'krona', { a1: 8, a2: 64 }, 2_152_320],
    ['SDXL, A 64×8, the authors’ script', SDXL_UNET, 'krona', { a1: 64, a2: 8 }, 2_152_320],
    ['SDXL, A 16×64', SDXL_UNET, 'krona', { a1: 16, a2: 64 }, 1_506_240],
    ['SDXL, LoRA of rank 4', SDXL_UNET, 'lora', { a1: 1, a2: 1, rank: 4 }, 5_806_080],
    ['SDXL, everything', SDXL_UNET, 'full', { a1: 1, a2: 1 }, 2_567_463_684],
    ['SD 1.5, A 4×64', SD15, 'krona', { a1: 4, a2: 64 }, 398_048],
    ['SD 1.5, LoRA of rank 4', SD15, 'lora', { a1: 1, a2: 1, rank: 4 }, 797_184],
    [
      'SD 1.5 and its text encoder, A 4×64',
      SD15,
      'krona',
      { a1: 4, a2: 64, targets: ['attention', 'text-encoders'] },
      520_928,
    ],
    [
      'SD 1.5 and its text encoder, LoRA of rank 4',
      SD15,
      'lora',
      { a1: 1, a2: 1, targets: ['attention', 'text-encoders'] },
      1_092_096,
    ],
    // 280·(4·64) + 409,600,000/(4·64) of q and o, 280·(16·64) + 545,587,200/(16·64) of k and v.
    [
      'SDXL, A 16×64 on k and v, 4×64 on q and o',
      SDXL_UNET,
      'krona',
      { a1: 4, a2: 64, factors: { k: [16, 64], v: [16, 64] } },
      2_491_200,
    ],
  ])('of %s is as published or computed', (_, unet, method, options, parameters) => {
    expect(count(unet, method, options)).toBe(parameters);
  });

  it('refuses impossible sizes', () => {
    expect(() => count(SDXL_UNET, 'lora', { a1: 1, a2: 1, rank: 641 })).toThrow(/`rank` is 641.*640×640/);
    expect(() => count(SDXL_UNET, 'krona', { a1: 4, a2: 64, factors: { v: [4, 7] } })).toThrow(
      /a2=7 does not divide 2048/,
    );
    expect(() => count(SDXL_UNET, 'full', { a1: 1, a2: 1, targets: ['attention'] })).toThrow(/whole UNet/);
  });
});

describe('an adapter starts', () => {
  it.each<[Method, MethodOptions, string, string, number]>([
    ['krona', { a1: 4, a2: 8 }, '.a', '.b', 1 / 8],
    ['lora', { a1: 1, a2: 1, rank: 4 }, '.down', '.up', 1 / 4],
  ])(
    '%s at the model itself: one factor normal, the other zero',
    async (method, options, random, zero, deviation) => {
      const model = await openModelFolder(TINY_MODEL);
      const trained = ADAPTER_METHODS[method];
      const layout = adapterLayout(trained.shapes(model, options));
      const values = (flat: Float32Array, end: string) =>
        layout.entries
          .filter(({ name }) => name.endsWith(end))
          .flatMap(({ offset, size }) => [...flat.subarray(offset, offset + size)]);
      const flat = trained.initial(layout, 5, options);
      expect(values(flat, zero).every((value) => value === 0)).toBe(true);
      const spread = values(flat, random);
      expect(Math.sqrt(spread.reduce((sum, x) => sum + x * x, 0) / spread.length) / deviation).toBeCloseTo(
        1,
        1,
      );
      const uniform = values(trained.initial(layout, 5, { ...options, init: 'kaiming' }), random);
      // In ±1/√columns; the narrowest has 16 of them, or A's own.
      const bound = method === 'krona' ? 1 / Math.sqrt(8) : 1 / 4;
      expect(uniform.every((value) => Math.abs(value) <= bound)).toBe(true);
      expect(Math.max(...uniform.map(Math.abs))).toBeGreaterThan(0.95 * bound);
    },
  );
});
