/**
 * Distilled models (BK-SDM, SSD-1B, KOALA, LCM) compute what diffusers computes, whether they come from a folder or from a
 * single file, and train as torch does (test/fixtures/distilled).
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterLayers, adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { convertAdapter } from '../../gpu-worker/adapters/files/convert.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { openSingleFile } from '../../gpu-worker/models/single-file/open-single-file.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { KeyedRandom } from '../../core/random.ts';
import {
  DISTILLED,
  distilledReference,
  writeDistilled,
  writeDistilledFile,
  type DistilledName,
} from '../helpers/distilled.ts';
import { TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { TINY_SINGLE_FILES } from '../helpers/sd-fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';
import { expectTorchGradient } from '../helpers/torch-gradient.ts';
import { ALL_VARIATIONS, someOf } from '../helpers/variations.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'krona-distilled-'));
  await cp(join(TINY_MODEL, 'tokenizer'), join(root, 'tokenizer'), { recursive: true });
  for (const name of DISTILLED) {
    await writeDistilled(name, folder(name));
    await writeDistilledFile(name, file(name));
  }
});
afterAll(() => rm(root, { recursive: true }));

const folder = (name: DistilledName): string => join(root, name);
const file = (name: DistilledName): string => join(root, `${name}.safetensors`);
const openFile = (name: DistilledName): Promise<ModelFolder> => openSingleFile(file(name), TINY_SINGLE_FILES);
const paths = (model: ModelFolder): string[] =>
  attentionProjections(model.unet.config).map(({ path }) => path);

describe.each(DISTILLED)('%s', (name) => {
  it('is complete, with as many parameters as torch counts', async () => {
    const report = await inspectModel(folder(name));
    expect(report.problems).toEqual([]);
    const { parameters } = (await distilledReference(name)).facts;
    expect(report.parts[0]).toMatchObject({ name: 'unet', parameters });
  });

  it.each(['unet', 'odd'])('predicts what diffusers predicts (%s)', async (which) => {
    const { tensor } = await distilledReference(name);
    const model = await openModel(folder(name));
    const at = (key: string) => tensor(`${which}.${key}`);
    const [batch, , height, width] = at('sample').shape as [number, number, number, number];
    const { config, tensors } = model.unet;
    const { guidance, ...inputs } = unetInputs(
      config,
      batch,
      height,
      width,
      at('encoder_hidden_states').shape[1]!,
    );
    const p = frozenParameters('unet', tensors);
    const feeds = {
      latents: at('sample').data,
      timesteps: at('timesteps').data,
      encoder_hidden_states: at('encoder_hidden_states').data,
      ...(config.addition_embed_type === null
        ? {}
        : { text_embeds: at('text_embeds').data, time_ids: at('time_ids').data }),
    };
    const plain = await runOnce(compile({ prediction: unet(config, p, inputs) }), feeds);
    expect(worstError(plain.prediction, at('output').data)).toBeLessThan(1e-4);
    expect(guidance === undefined).toBe(name !== 'lcm');
    if (!guidance) return;
    const guided = await runOnce(compile({ prediction: unet(config, p, { ...inputs, guidance }) }), {
      ...feeds,
      guidance: at('guidance').data,
    });
    expect(worstError(guided.prediction, at('guided').data)).toBeLessThan(1e-4);
  });

  it('is the same model as a single file', async () => {
    expect((await inspectModel(file(name), () => openFile(name))).problems).toEqual([]);
    const [single, saved] = [await openFile(name), await openModel(folder(name))];
    expect(single.architecture).toBe(saved.architecture);
    expect(paths(single)).toEqual(paths(saved));
    // Other words for the same blocks: lists where a number stands for all.
    const { layers_per_block, num_attention_heads, time_cond_proj_dim } = saved.unet.config;
    expect(single.unet.config).toMatchObject({ layers_per_block, num_attention_heads });
    expect(single.unet.config.time_cond_proj_dim).toBe(time_cond_proj_dim);
    expect([...single.unet.tensors.keys()].sort()).toEqual([...saved.unet.tensors.keys()].sort());
    if (name === 'lcm') expect(single.scheduler['_class_name']).toBe('LCMScheduler');
  });

  it('draws what diffusers draws, with its own scheduler', async () => {
    const { tensor, facts } = await distilledReference(name);
    const { prompt, guidance_scale: guidance, num_inference_steps: steps, seed } = facts.run;
    const engine = await TextToImage.open(folder(name));
    const latents = await engine.denoise({
      prompt,
      negative: name === 'lcm' ? null : facts.run.negative_prompt,
      guidance,
      steps,
      seed,
      adapter: null,
      scheduler: null,
      width: 64,
      height: 32,
      count: 2,
      noise: 'torch',
    });
    expect(worstError(latents, tensor('run.latents').data)).toBeLessThan(1e-4);
    await engine.release();
  });

  // Blocks are recomputed alike in all of them.
  it.each(ALL_VARIATIONS || name === 'ssd' ? [false, true] : [false])(
    "has torch's loss, and its gradient with respect to every factor (checkpointing %s)",
    async (checkpointing) => {
      const model = await openModel(folder(name));
      const { tensor, facts } = await distilledReference(name);
      const torch = {
        ...{ a1: 4, a2: 2, strength: facts.scale, pooled: facts.base === 'sdxl' },
        at: (key: string) => tensor(`kronecker.${key}`),
      };
      await expectTorchGradient(model, noiseSchedule(model.scheduler), torch, checkpointing);
    },
  );

  it("writes adapters that kohya's and diffusers' names lead back to the same layers", async () => {
    const model = await openModel(folder(name));
    const base = adapterBase(model);
    const options = { a1: 1, a2: 1, rank: 2, alpha: 1 };
    const shapes = ADAPTER_METHODS.lora.shapes(model, options);
    const random = new KeyedRandom(1, name);
    const layers = adapterLayers(shapes, random.normals(adapterLayout(shapes).length));
    const path = join(root, `${name}-lora.safetensors`);
    await writeAdapter(path, layers, model, {
      baseModel: name,
      baseHash: 'abc',
      ...ADAPTER_METHODS.lora.facts(options),
      subjectToken: 'sks',
      subjectClass: 'cat',
      steps: 1,
      seed: 1,
      resolution: 64,
      predictionType: 'epsilon',
      settings: {},
    });
    const other = join(root, `${name}-diffusers.safetensors`);
    await convertAdapter(path, { to: 'lora', names: 'diffusers', out: other, base });
    for (const written of [path, other]) {
      const read = (await readAdapter(written, base)).layers;
      expect([...read.keys()].sort()).toEqual([...layers.keys()].sort());
      for (const [module, layer] of layers)
        expect(worstError(read.get(module)!.delta(), layer.delta()), module).toBeLessThan(1e-6);
    }
  });
});

it.each(someOf(['lcm', 'bk-tiny', 'ssd'] as const))(
  'a whole training on %s ends in an adapter that draws',
  async (name) => {
    const photos = await makePhotos(join(root, 'photos'), 2);
    const out = join(root, `${name}-trained.safetensors`);
    const result = await trainAdapter({ ...tinyRun(photos, out), model: folder(name), steps: 2 });
    expect(result.loss.every(Number.isFinite)).toBe(true);
    const engine = await TextToImage.open(folder(name));
    const adapter = await engine.readAdapter(out);
    expect([...adapter.layers.keys()].sort()).toEqual(paths(engine.model).sort());
    await engine.release();
  },
);

it('an adapter of another distillation is refused', async () => {
  const koala = adapterBase(await openModel(folder('koala')));
  await expect(readAdapter(join(root, 'ssd-lora.safetensors'), koala)).rejects.toMatchObject({
    code: expect.stringMatching(/^ADAPTER_(BASE_MISMATCH|TARGETS_UNSUPPORTED)$/) as string,
    message: expect.stringMatching(/Use the model that it was made for/) as string,
  });
});
