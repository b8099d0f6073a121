/** Every architecture in every form of its files opens whole and computes the same, within what the form's dtype rounds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { openSingleFile } from '../../gpu-worker/models/single-file/open-single-file.ts';
import { TextEncoder } from '../../gpu-worker/models/text-encoder.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { KeyedRandom } from '../../core/random.ts';
import { worstError } from '../helpers/fixtures.ts';
import { resaveFolder, resaveSingleFile, type SavedDtype, type SavedForm } from '../helpers/resave.ts';
import { openTiny, TINY_SINGLE_FILES, tinyFolder, tinySingleFile } from '../helpers/sd-fixtures.ts';
import { someOf } from '../helpers/variations.ts';

const openTinyFile = (path: string) => openSingleFile(path, TINY_SINGLE_FILES);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-forms-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** One call of the UNet and one of the text encoders, on the same random inputs. */
async function computed(model: ModelFolder): Promise<{ prediction: Float32Array; states: Float32Array }> {
  const { config, name, tensors } = model.unet;
  const random = new KeyedRandom(1, 'forms');
  const pooled =
    config.projection_class_embeddings_input_dim - config.added_time_ids * config.addition_time_embed_dim;
  const { prediction } = await runOnce(
    compile({ prediction: unet(config, frozenParameters(name, tensors), unetInputs(config, 1, 8, 8, 5)) }),
    {
      latents: random.normals(4 * 64),
      timesteps: Float32Array.of(400),
      encoder_hidden_states: random.normals(5 * config.cross_attention_dim),
      ...(config.addition_embed_type === null
        ? {}
        : {
            text_embeds: random.normals(pooled),
            time_ids: new Float32Array(config.added_time_ids).fill(64),
          }),
    },
  );
  const encoder = await TextEncoder.open(model);
  const { states } = await encoder.encode('a photo of a cat');
  await encoder.release();
  return { prediction, states };
}

/** The most that a dtype's rounding of the weights moves an output of these models, as a share of the largest value. */
const TOLERANCE: Readonly<Record<SavedDtype, number>> = { F32: 1e-5, F16: 5e-3, BF16: 5e-2 };

const FORMS: readonly [string, SavedForm][] = [
  ['F32', { dtype: 'F32' }],
  ['BF16', { dtype: 'BF16' }],
  ['F16, only a variant', { dtype: 'F16', variant: 'fp16' }],
  ['F32 in shards', { dtype: 'F32', shards: 2 }],
];

describe.each(someOf(['sdxl', 'sd21', 'sd15', 'refiner'] as const, 2))('%s', (name) => {
  // sdxl's single file holds the folder's weights rounded to half.
  const reference = new Map<string, Awaited<ReturnType<typeof computed>>>();
  beforeAll(async () => {
    for (const form of ['folder', 'single file'] as const)
      reference.set(form, await computed(await openTiny(name, form)));
  });

  const same = async (path: string, form: 'folder' | 'single file', dtype: SavedDtype): Promise<void> => {
    const open = form === 'folder' ? openModel : openTinyFile;
    const { problems, parts } = await inspectModel(path, open);
    expect(problems).toEqual([]);
    expect(new Set(parts.flatMap(({ dtypes }) => dtypes))).toEqual(new Set([dtype]));
    const { prediction, states } = await computed(await open(path));
    const wanted = reference.get(form)!;
    expect(worstError(prediction, wanted.prediction)).toBeLessThan(TOLERANCE[dtype]);
    expect(worstError(states, wanted.states)).toBeLessThan(TOLERANCE[dtype]);
  };

  it.each(FORMS)('a folder: %s', async (_, form) => {
    const path = await mkdtemp(join(folder, `${name}-`));
    await resaveFolder(tinyFolder(name), path, form);
    await same(path, 'folder', form.dtype);
  });

  it.each(['F32', 'F16', 'BF16'] as const)('a single file: %s', async (dtype) => {
    const path = await mkdtemp(join(folder, `${name}-`));
    await resaveSingleFile(tinySingleFile(name), path, dtype);
    await same(join(path, `${name}.safetensors`), 'single file', dtype);
  });
});
