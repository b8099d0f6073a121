/**
 * What people give by mistake, one of each kind. Every refusal has a stable code and says what was found, what was
 * expected, and what would work. The table "Bad input" of docs/models.md names these and the tests of all variants.
 */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkFactors } from '../../core/settings/check.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { factorShapes } from '../../gpu-worker/adapters/krona.ts';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { checkModel } from '../../gpu-worker/models/model-check.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { krona, TINY } from '../cli/run-krona.ts';
import { makePhotos } from '../helpers/tiny-run.ts';

const UNET = 'unet/diffusion_pytorch_model.safetensors';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-bad-'));
});
afterAll(() => rm(folder, { recursive: true }));

const matrix = (...shape: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
});

/** A copy of the tiny model. */
async function copy(): Promise<string> {
  const model = await mkdtemp(join(folder, 'model-'));
  await cp(TINY, model, { recursive: true });
  return model;
}

/** What is wrong with a copy of the tiny model whose UNet's tensors were changed. */
async function spoiled(change: (tensors: Map<string, TensorToWrite>) => void) {
  const model = await copy();
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, tensor] of (await openSafetensors(join(TINY, UNET))).tensors)
    tensors.set(name, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
  change(tensors);
  await writeSafetensors(join(model, UNET), tensors);
  const { problems, ok } = await checkModel(model);
  expect(problems).toHaveLength(1);
  return { model, ok, ...problems[0]! };
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function adapter(tensors: Record<string, TensorToWrite>, base: string): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'adapter-')), 'mochi.safetensors');
  await writeSafetensors(path, new Map(Object.entries(tensors)), new Map([['ss_base_model_version', base]]));
  return path;
}

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => Promise.reject(new Error('not refused')),
    (error: { code: string; message: string }) => ({ code: error.code, message: error.message }),
  );

const ZIP = Buffer.from('PK\x03\x04archive/data.pkl', 'latin1');
const PICKLE = Buffer.from('\x80\x02}q\x00X\x04\x00\x00\x00unetq\x01', 'latin1');

/** Fault, what is refused, its code, and the three parts of what is said. */
type Case = [string, () => Promise<{ code: string; message: string }>, string, ...RegExp[]];
const MODELS: Case[] = [
  [
    'a folder of another architecture',
    async () => {
      const model = await copy();
      await writeFile(join(model, 'model_index.json'), '{"_class_name": "FluxPipeline"}');
      return refusal(openModel(model));
    },
    'MODEL_ARCHITECTURE_UNSUPPORTED',
    /"FluxPipeline"/,
    /supported: StableDiffusionXLPipeline/,
  ],
  [
    'a single file of another architecture',
    async () => {
      const path = join(folder, 'flux.safetensors');
      await writeSafetensors(path, new Map([['model.diffusion_model.double_blocks.0.x', matrix(4)]]));
      return refusal(openModel(path));
    },
    'MODEL_ARCHITECTURE_UNSUPPORTED',
    /FLUX/,
    /Supported as single files: Stable Diffusion 1\.x/,
  ],
  [
    'a missing tensor',
    () => spoiled((tensors) => tensors.delete('conv_in.weight')),
    'MODEL_TENSOR_MISSING',
    /unet: conv_in\.weight is missing/,
    /expected shape \[8, 4, 3, 3\]/,
    /Download the model again/,
  ],
  [
    'a tensor of the wrong shape',
    () => spoiled((tensors) => tensors.set('conv_out.weight', matrix(4, 8, 1, 1))),
    'MODEL_TENSOR_SHAPE',
    /conv_out\.weight has shape \[4, 8, 1, 1\]/,
    /the config needs \[4, 8, 3, 3\]/,
    /weights and config of the same model/,
  ],
  [
    'a tensor of the wrong dtype',
    () =>
      spoiled((tensors) =>
        tensors.set('conv_out.bias', { dtype: 'I32', shape: [4], data: new Int32Array(4) }),
      ),
    'MODEL_TENSOR_DTYPE',
    /conv_out\.bias is I32/,
    /supported: F32, F16, BF16/,
    /Save the model in one of these/,
  ],
  [
    'a truncated file',
    async () => {
      const model = await copy();
      await truncate(join(model, UNET), 500_000);
      return refusal(openModel(model));
    },
    'SAFETENSORS_TRUNCATED',
    /is cut off in tensor \S+: expected \d+ bytes/,
    /found 500000/,
    /Download it again/,
  ],
  [
    'a file that is no .safetensors',
    async () => refusal(openModel(await file('words.safetensors', 'these are not tensors'))),
    'SAFETENSORS_INVALID',
    /gives its header \d+ bytes/,
    /expected 2 to 16000000/,
    /download it again/,
  ],
  [
    'a web page in place of a file',
    async () => refusal(openModel(await file('page.safetensors', '<!DOCTYPE html><html></html>'))),
    'SAFETENSORS_FOREIGN',
    /an HTML page \(a failed download\?\)/,
    /only \.safetensors files are read/,
  ],
  ...['.ckpt', '.bin', '.pt', '.pth', '.pkl'].map((ending): Case => [
    `a pickle called ${ending}`,
    async () => refusal(openModel(await file(`model${ending}`, ZIP))),
    'MODEL_PICKLE',
    /is a Python pickle, which may run code/,
    /convert it to \.safetensors/,
  ]),
  [
    'a pickle called .safetensors',
    async () => refusal(openModel(await file('pickle.safetensors', PICKLE))),
    'SAFETENSORS_FOREIGN',
    /is a Python pickle, which may run code/,
    /convert it to \.safetensors/,
  ],
];

const ATTENTION = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q';
const ADAPTERS: Case[] = [
  [
    'an adapter made for a model of other widths',
    async () => {
      const lora = {
        [`${ATTENTION}.lora_down.weight`]: matrix(4, 1280),
        [`${ATTENTION}.lora_up.weight`]: matrix(1280, 4),
      };
      const path = await adapter(lora, 'sdxl_base_v1-0');
      return refusal(readAdapter(path, adapterBase(await openModel(TINY))));
    },
    'ADAPTER_BASE_MISMATCH',
    /made for another model \(sdxl_base_v1-0\).*rank 4 of 1280×1280/,
    /which in model is 24×24/,
    /Use the model that it was made for/,
  ],
  [
    'an adapter made for a model with other blocks',
    async () => {
      const deep = ATTENTION.replace('blocks_0', 'blocks_9');
      const lora = {
        [`${deep}.lora_down.weight`]: matrix(4, 24),
        [`${deep}.lora_up.weight`]: matrix(24, 4),
      };
      const path = await adapter(lora, 'sdxl_base_v1-0');
      return refusal(readAdapter(path, adapterBase(await openModel(TINY))));
    },
    'ADAPTER_TARGETS_UNSUPPORTED',
    /changes 1 of 1 modules that model doesn't have/,
    /transformer_blocks_9_attn1_to_q/,
    /Use the model that it was made for/,
  ],
  ...(
    [
      ['zip', ZIP],
      ['pickle', PICKLE],
    ] as const
  ).flatMap(([kind, content]) =>
    ['.pt', '.bin', '.safetensors'].map((ending): Case => [
      `an adapter that is a ${kind} called ${ending}`,
      async () => refusal(inspectAdapter(await file(`${kind}${ending}`, content))),
      'SAFETENSORS_FOREIGN',
      /may run code when it is loaded/,
      /convert it to \.safetensors/,
    ]),
  ),
];

it.each([...MODELS, ...ADAPTERS])('%s', async (_, refused, code, ...parts) => {
  const found = await refused();
  expect(found.code).toBe(code);
  for (const part of parts) expect(found.message).toMatch(part);
});

it('an extra tensor is reported, and stops nothing', async () => {
  const { code, message, ok } = await spoiled((tensors) => tensors.set('ip_adapter.to_k.weight', matrix(1)));
  expect([code, ok]).toEqual(['MODEL_TENSOR_UNKNOWN', true]);
  expect(message).toMatch(/unet: 1 tensors have no place.*ip_adapter\.to_k\.weight.*ignores/);
});

it('what the check finds also stops training and drawing', async () => {
  const { model } = await spoiled((tensors) => tensors.delete('conv_in.weight'));
  const { tensors } = (await openModel(model)).unet;
  expect(() => frozenParameters('unet', tensors).tensor('conv_in.weight', [8, 4, 3, 3])).toThrow(
    expect.objectContaining({ code: 'MODEL_TENSOR_MISSING' }) as Error,
  );
});

it("factors that don't divide, in chat and in a training, with all that fit every projection of their kind", async () => {
  const card = modelCard(await openModel(TINY));
  expect(() => checkFactors({ a1: 7, a2: 2 }, card.projections)).toThrow(
    /^a1=7 does not divide 24 \(.*to_\w+.*\); choose 1, 2, 4, 8\.$/,
  );
  const { projections } = adapterBase(await openModel(TINY));
  expect(() => factorShapes(projections, 1, 1, { k: [7, 1] })).toThrow(
    expect.objectContaining({
      code: 'FACTORS_UNFIT',
      message: expect.stringMatching(/^a1=7 does not divide \d+ \(.*to_k\); choose 1, 2, 4, 8\.$/) as string,
    }) as Error,
  );
});

it.each([
  [
    'imagine',
    ['--prompt', 'a cat', '--width', '60'],
    /SIZE_UNFIT: `width` is 60, not a multiple of 8.*choose 56 or 64/,
  ],
  [
    'train',
    ['--subject', 'sks cat', '--resolution', '60'],
    /SIZE_UNFIT: `resolution` is 60, not a multiple of 8.*56 or 64/,
  ],
])("a size that krona %s can't use", async (command, words, message) => {
  const photos = join(folder, 'photos');
  if (command === 'train') await makePhotos(photos, 1);
  const out = join(folder, command === 'train' ? 'y.safetensors' : 'pictures');
  const given = command === 'train' ? ['--photos', photos] : [];
  const ended = await krona(command, '--model', TINY, ...given, ...words, '--out', out, '--device', 'cpu');
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(message);
  await expect(readFile(out)).rejects.toThrow();
});
