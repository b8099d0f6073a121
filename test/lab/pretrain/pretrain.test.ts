import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { variation } from '../../helpers/variations.ts';
import { openSafetensors } from '../../../gpu-worker/models/safetensors.ts';
import { defaultConfigPath } from '../../../lab/pretrain/pretrain-config.ts';
import { pretrain, type PretrainOptions } from '../../../lab/pretrain/pretrain.ts';
import type { TrainingRun } from '../../../lab/pretrain/training-history.ts';

// On busy cores that is long for a dozen runs.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

let root: string;
const at = (...names: string[]): string => join(root, ...names);

/**
 * The real recipe at the smallest size: four things in two styles at 32×32, latents of eight channels, and a handful of
 * steps.
 */
async function writeConfig(
  name: string,
  change: { seed?: number; autoencoder?: number; diffusion?: number },
) {
  const config = JSON.parse(await readFile(defaultConfigPath, 'utf8')) as Record<
    string,
    Record<string, never>
  >;
  const { data, models, training } = structuredClone(config) as Record<string, Record<string, object>>;
  const vae = {
    block_out_channels: [8, 16],
    down_block_types: Array<string>(2).fill('DownEncoderBlock2D'),
    up_block_types: Array<string>(2).fill('UpDecoderBlock2D'),
    norm_num_groups: 4,
    latent_channels: 8,
    sample_size: 32,
  };
  const unet = {
    in_channels: 8,
    out_channels: 8,
    block_out_channels: [8, 16],
    norm_num_groups: 4,
    attention_head_dim: [1, 2],
    addition_time_embed_dim: 4,
    projection_class_embeddings_input_dim: 16 + 6 * 4,
    cross_attention_dim: 32,
  };
  const text = { hidden_size: 16, intermediate_size: 32, num_attention_heads: 2, projection_dim: 16 };
  const small = {
    data: {
      ...data,
      size: 32,
      concepts: (data!['concepts'] as object[]).slice(0, 4),
      styles: (data!['styles'] as { set: string }[]).filter(({ set }) => set !== 'fluent-3d'),
      // Hats and glasses are none of the four.
      wearables: undefined,
      placement: { ...(data!['placement'] as object), wearing: 0 },
      crops: { side: 16, wild: 0.25 },
      tokenizer: { vocabularySize: 600, maxLength: 16 },
    },
    models: {
      ...models,
      vae: { ...models!['vae'], ...vae },
      unet: { ...models!['unet'], ...unet },
      text_encoder: { ...models!['text_encoder'], ...text },
      text_encoder_2: { ...models!['text_encoder_2'], ...text },
    },
    training: {
      seed: change.seed ?? 1,
      autoencoder: { ...training!['autoencoder'], batch: 4, warmup: 2, steps: change.autoencoder ?? 5 },
      latents: { pictures: 1024, batch: 64 },
      diffusion: { ...training!['diffusion'], batch: 4, warmup: 2, steps: change.diffusion ?? 8 },
    },
  };
  await writeFile(at(name), JSON.stringify(small));
  return at(name);
}

/** A model of other hands, which tells nothing of its training. */
const OTHER_MODEL = join(import.meta.dirname, '../../fixtures/sdxl-tiny/model');

let plain: string;

const run = (folder: string, out: string, more: Partial<PretrainOptions> = {}): Promise<void> =>
  pretrain({ config: plain, folder: at(folder), out: at(out), ...more });

/** Stops with `enough` when a stage has come to a step. */
function stopAt(stage: string, step: number): Pick<PretrainOptions, 'signal' | 'onProgress'> {
  const abort = new AbortController();
  return {
    signal: abort.signal,
    onProgress: (progress) =>
      progress.stage === stage && progress.step >= step && abort.abort(new Error('enough')),
  };
}

/** Every weight of a model, by file. */
async function weightsOf(out: string): Promise<Record<string, string>> {
  const files = (await readdir(at(out), { recursive: true })).filter((name) => name.endsWith('.safetensors'));
  const read = files.map(async (name) => [name, (await readFile(at(out, name))).toString('base64')] as const);
  return Object.fromEntries(await Promise.all(read));
}

async function runsOf(out: string): Promise<TrainingRun[]> {
  return (JSON.parse(await readFile(at(out, 'training.json'), 'utf8')) as { runs: TrainingRun[] }).runs;
}

beforeAll(async () => {
  // At this size threads only wait for each other.
  vi.stubEnv('KRONA_THREADS', '1');
  root = await mkdtemp(join(tmpdir(), 'krona-pretrain-'));
  plain = await writeConfig('plain.json', {});
  await run('whole', 'whole-model');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true, force: true });
});

it('produces a model with card, history and licences, and a page that shows every stage', async () => {
  expect(Object.keys(await weightsOf('whole-model'))).toHaveLength(4);
  const [stages, ...others] = (await runsOf('whole-model')).map((each) => each.stages!);
  expect(others).toEqual([]);
  expect(stages).toMatchObject([
    { name: 'autoencoder', samples: 20, steps: 5, batch: 4, learningRate: 6e-4 },
    { name: 'diffusion', samples: 32, steps: 8, batch: 4, learningRate: 1.2e-3 },
  ]);
  for (const { seconds, threads, processor } of stages!) {
    expect(seconds).toBeGreaterThan(0);
    expect(threads).toBe(1);
    expect(processor).toMatch(/\w/);
  }
  const card = await readFile(at('whole-model', 'README.md'), 'utf8');
  expect(card).toContain('Trained from scratch. Hours');
  expect(card).toContain('UNet and text encoders: 32 samples in 8 steps of 4');
  expect(card).toContain('num_inference_steps=20, guidance_scale=3');
  const licences = await readFile(at('whole-model', 'MODEL_LICENSES.md'), 'utf8');
  expect(licences).toContain('TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION');
  expect(licences).toContain('Copyright (c) 2017 Miles Johnson');
  const page = await readFile(at('whole', 'index.html'), 'utf8');
  for (const told of [
    'autoencoder<td>5 of 5',
    'latents<td>1024 of 1024',
    'diffusion<td>8 of 8',
    'judging<td>',
  ])
    expect(page).toContain(told);
  expect(page).toContain('<img src="sheet-000008.png"');
});

it('gives the same weights after stops and failures anywhere', async () => {
  await expect(run('broken', 'broken-model', stopAt('autoencoder', 3))).rejects.toThrow('enough');
  await expect(run('broken', 'broken-model', stopAt('diffusion', 3))).rejects.toThrow('enough');
  expect(await readdir(root)).not.toContain('broken-model');

  // 1. dies when the model of a save in between is there
  const crash = () => {
    throw new Error('crash');
  };
  const eager = { secondsBetweenSaves: 0 };
  await expect(run('broken', 'broken-model', { ...eager, onSamples: crash })).rejects.toThrow('crash');
  const between = await weightsOf('broken-model');
  expect((await runsOf('broken-model'))[0]!.stages![1]).toMatchObject({ steps: 4, samples: 16 });

  // 2. dies at the end, when all is trained and nothing of it is exported
  const judging: PretrainOptions['onProgress'] = ({ stage }) => stage === 'judging' && crash();
  await expect(run('broken', 'broken-model', { onProgress: judging })).rejects.toThrow('crash');
  expect(await weightsOf('broken-model')).toEqual(between);

  // 3. has nothing left to train
  await run('broken', 'broken-model');
  const weights = await weightsOf('broken-model');
  expect(weights).not.toEqual(between);
  expect(weights).toEqual(await weightsOf('whole-model'));
  await run('broken', 'second-model');
  expect(await weightsOf('second-model')).toEqual(weights);
  expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
});

variation('starts from an earlier model, continues its history, and can be extended', async () => {
  const from = at('whole-model');
  await run('next', 'next-model', { from });
  // The same seed and configuration: only what it began with is another.
  expect(await weightsOf('next-model')).not.toEqual(await weightsOf('whole-model'));
  const config = await writeConfig('longer.json', { diffusion: 10 });
  await run('next', 'next-model', { from, config });
  const runs = await runsOf('next-model');
  expect(runs[0]).toEqual((await runsOf('whole-model'))[0]);
  expect(runs.slice(1).map(({ stages }) => stages!.map(({ samples }) => samples))).toEqual([[20, 40]]);
  const card = await readFile(at('next-model', 'README.md'), 'utf8');
  expect(card).toContain('- run 2, UNet and text encoders: 40 samples');
  expect(card).toContain('- total: autoencoder 40 samples');

  // A model that tells nothing of its training.
  await rm(at('next-model', 'training.json'));
  await run('last', 'last-model', { from: at('next-model') });
  expect((await runsOf('last-model'))[0]).toEqual({ stages: null });
  expect(await readFile(at('last-model', 'README.md'), 'utf8')).toContain('- run 1, not recorded');
});

variation('takes a trained autoencoder, only of the same sizes', async () => {
  const autoencoder = at('own-autoencoder');
  await cp(at('whole-model', 'vae'), autoencoder, { recursive: true });
  await writeFile(join(autoencoder, 'LICENSES.md'), '# Drawings of the autoencoder\n\nBy Ada.\n');
  await run('given', 'given-model', { autoencoder });
  const licences = await readFile(at('given-model', 'MODEL_LICENSES.md'), 'utf8');
  expect(licences).toContain('all parts but the autoencoder');
  expect(licences).toContain('\n## Drawings of the autoencoder\n\nBy Ada.\n');
  const vae = 'vae/diffusion_pytorch_model.safetensors';
  expect((await weightsOf('given-model'))[vae]).toBe((await weightsOf('whole-model'))[vae]);
  expect((await runsOf('given-model')).map(({ stages }) => stages!.map(({ name }) => name))).toEqual([
    ['diffusion'],
  ]);
  await expect(run('given', 'given-model')).rejects.toMatchObject({
    code: 'PRETRAIN_MISMATCH',
    message: expect.stringMatching(/autoencoder: weights [0-9a-f]{16}, given nothing/) as string,
  });
  const other = join(OTHER_MODEL, 'vae');
  await expect(run('wrong', 'wrong-model', { autoencoder: other })).rejects.toMatchObject({
    code: 'PRETRAIN_CONFIG',
    message: expect.stringMatching(/coder\.\S+ is \[[\d, ]+\]; expected \[/) as string,
  });
});

it('resumes nothing that belongs to another run', async () => {
  const mismatch = (message: RegExp) => ({
    code: 'PRETRAIN_MISMATCH',
    message: expect.stringMatching(message) as string,
  });
  await expect(run('whole', 'whole-model', { from: OTHER_MODEL })).rejects.toMatchObject(
    mismatch(/from: nothing, given weights [0-9a-f]{16}\b.*another --run/),
  );
  await expect(
    run('whole', 'whole-model', { config: await writeConfig('seed.json', { seed: 2 }) }),
  ).rejects.toMatchObject(
    mismatch(/4 concepts in 2 styles, seed 1 .*, given 4 concepts in 2 styles, seed 2 /),
  );
  const config = await writeConfig('autoencoder.json', { autoencoder: 7 });
  await expect(run('whole', 'whole-model', { config })).rejects.toMatchObject(
    mismatch(/autoencoder with 5 steps.* says 7;/),
  );
});

variation(
  'remakes latents with an autoencoder that was trained longer, until the UNet has trained on them',
  async () => {
    const config = await writeConfig('longer-autoencoder.json', { autoencoder: 7 });
    const latents = async () =>
      (await openSafetensors(at('early', 'latents-0.safetensors'))).metadata.get('autoencoder');
    await expect(run('early', 'early-model', stopAt('latents', 1024))).rejects.toThrow('enough');
    const before = await latents();
    await expect(run('early', 'early-model', { config, ...stopAt('diffusion', 1) })).rejects.toThrow(
      'enough',
    );
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    expect(await latents()).not.toBe(before);
  },
);

it('overwrites only a model, and not the one that it starts from', async () => {
  await expect(run('whole', '.')).rejects.toMatchObject({ code: 'PRETRAIN_OUT' });
  await expect(run('whole', 'plain.json')).rejects.toMatchObject({ code: 'PRETRAIN_OUT' });
  const from = at('whole-model');
  await expect(run('over', 'whole-model', { from })).rejects.toMatchObject({ code: 'PRETRAIN_OUT' });
});
