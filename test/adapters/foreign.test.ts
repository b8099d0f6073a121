/** Files of other programs: what they mean there is what they mean here, and what is left out is said. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { convertAdapter } from '../../gpu-worker/adapters/files/convert.ts';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { writeTensors } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { adaptedOutput } from '../helpers/adapted.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

const FOREIGN = join(import.meta.dirname, '../fixtures/foreign');
const FIELD = join(import.meta.dirname, '../fixtures/field');

let folder: string;
let xl: ModelFolder;
let sd: ModelFolder;
let expected: ReadonlyMap<string, Float32Array>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-foreign-'));
  xl = await openModelFolder(TINY_MODEL);
  sd = await openModelFolder(tinyFolder('sd15'));
  const { tensors } = await openSafetensors(join(FOREIGN, 'expected.safetensors'));
  const found = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) found.set(name, await readFloats(tensor));
  expected = found;
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const fresh = () => join(folder, `${files++}.safetensors`);
const fileOf = (name: string) => {
  const file = join(FOREIGN, `${name}.safetensors`);
  return existsSync(file) ? file : join(FOREIGN, name);
};

/** Largest difference, over the largest number. */
function distance(found: Float32Array, wanted: Float32Array): number {
  expect(found.length).toBe(wanted.length);
  let [off, size] = [0, 0];
  wanted.forEach((value, i) => {
    off = Math.max(off, Math.abs((found[i] ?? NaN) - value));
    size = Math.max(size, Math.abs(value));
  });
  return off / size;
}

async function checkChanges(name: string, file: string) {
  const { layers } = await readAdapter(file, adapterBase(xl));
  const wanted = [...expected].filter(([key]) => key.startsWith(`${name}.`));
  expect(layers.size).toBe(wanted.length);
  for (const [key, values] of wanted) {
    const path = key.slice(name.length + 1);
    const layer = layers.get(path) ?? layers.get(path.replace(/\.weight$/, ''));
    expect(distance(layer!.delta(), values), path).toBeLessThan(2e-6);
  }
  return layers;
}

describe("a method that Krona reads but doesn't train", () => {
  it.each([
    ['loha', 'loha'],
    ['loha-tucker', 'loha'],
    ['loha-wide', 'loha'],
    ['glora', 'glora'],
    ['oft', 'oft'],
    ['oft-limited', 'oft'],
    ['boft', 'oft'],
    ['ia3', 'ia3'],
    ['ia3-on-input', 'ia3'],
    ['peft-loha', 'peft'],
    ['peft-ia3', 'peft'],
    ['peft-bias', 'peft'],
    ['peft-patterns', 'peft'],
  ])('%s changes the weights as its own program does', async (name, format) => {
    const file = fileOf(name);
    expect((await inspectAdapter(file)).format).toBe(format);
    const layers = await checkChanges(name, file);
    // It runs in a program, and does something.
    const output = await adaptedOutput(xl, layers);
    expect(output.every(Number.isFinite)).toBe(true);
    expect(distance(output, await adaptedOutput(xl, new Map()))).toBeGreaterThan(1e-6);
  });

  it.each(['loha', 'loha-tucker', 'peft-bias'])(
    '%s converts to a LoRA with the same change',
    async (name) => {
      const out = fresh();
      await convertAdapter(fileOf(name), { to: 'lora', out, base: adapterBase(xl) });
      expect((await inspectAdapter(out)).format).toBe('lora');
      await checkChanges(name, out);
    },
  );

  it('needs the model if it is relative to the weights', async () => {
    await expect(convertAdapter(fileOf('glora'), { to: 'lora', out: fresh() })).rejects.toMatchObject({
      code: 'ADAPTER_NEEDS_MODEL',
      message: expect.stringMatching(/--model/) as string,
    });
  });
});

describe('a file from trainers and web UIs', () => {
  it.each([
    ['comfy_extract', 7, null],
    ['alpha_i64', 1, null],
    ['te_old', 4, null],
    ['lora_bias', 2, null],
    ['bundle_onetrainer', 1, /embeddings of its own tokens \(mytok\)/],
    ['stray_alpha', 1, /belongs to no module, left out: lora_te_text_model_encoder_layers_0_mlp_fc1\.alpha/],
    ['loha_real', 1, null],
    ['glora', 1, null],
    ['oft', 1, null],
  ] as const)('is read with %s, and ignored tensors are reported', async (name, count, note) => {
    const { layers, notes } = await readAdapter(join(FIELD, `${name}.safetensors`), adapterBase(sd));
    expect(layers.size).toBe(count);
    if (note === null) expect(notes).toEqual([]);
    else expect(notes).toEqual([expect.stringMatching(note)]);
  });

  it("diffusers' folder is one, and a folder whose only file has another name", async () => {
    const { layers } = await readAdapter(join(FIELD, 'diffusers_out'), adapterBase(sd));
    expect(layers.size).toBe(1);
    const own = await mkdtemp(join(folder, 'only-'));
    await expect(readAdapter(own, adapterBase(sd))).rejects.toThrow(/no pytorch_lora_weights.safetensors/);
    const file = join(FIELD, 'diffusers_out/pytorch_lora_weights.safetensors');
    await cp(file, join(own, 'mine.safetensors'));
    expect((await readAdapter(own, adapterBase(sd))).layers.size).toBe(1);
  });

  it('is refused without an adapter in it; unsupported methods are refused by name', async () => {
    const one: TensorToWrite = { dtype: 'F32', shape: [1], data: Float32Array.of(1) };
    const refused = async (key: string) => {
      const path = fresh();
      await writeSafetensors(path, new Map([[key, one]]));
      return inspectAdapter(path).catch((error: unknown) => error);
    };
    expect(await refused('unet.mid_block.x.vera_lambda_b')).toMatchObject({
      code: 'ADAPTER_METHOD_UNSUPPORTED',
      message: expect.stringMatching(/VeRA/) as string,
    });
    expect(await refused('x.lambda_layer')).toMatchObject({
      message: expect.stringMatching(/T-LoRA/) as string,
    });
    expect(await refused('x.oft_R.weight')).toMatchObject({ code: 'ADAPTER_METHOD_UNSUPPORTED' });
    expect(await refused('conv_in.weight')).toMatchObject({ code: 'ADAPTER_FORMAT_UNSUPPORTED' });
    expect(await refused('x.alpha')).toMatchObject({ code: 'ADAPTER_FORMAT_UNSUPPORTED' });
  });

  it.each(['nan', 'inf'])('with %s is refused with file and tensor, also by inspect', async (name) => {
    await expect(inspectAdapter(join(FIELD, `${name}.safetensors`))).rejects.toMatchObject({
      code: 'ADAPTER_INVALID',
      message: expect.stringMatching(
        new RegExp(`${name}.safetensors has numbers in lora_unet\\S+ that are NaN or inf`),
      ) as string,
    });
  });
});

it.each(['oft', 'loha', 'glora'])('an alpha that is not a number is refused in %s', async (name) => {
  const path = fresh();
  const tensors = new Map<string, TensorToWrite>();
  for (const [key, tensor] of (await openSafetensors(fileOf(name))).tensors) {
    const data = key.endsWith('.alpha') ? Float32Array.of(NaN) : await readFloats(tensor);
    tensors.set(key, { dtype: 'F32', shape: tensor.shape, data });
  }
  await writeSafetensors(path, tensors);
  await expect(readAdapter(path, adapterBase(xl))).rejects.toThrow(/an alpha that is not a number/);
  await expect(inspectAdapter(path)).rejects.toThrow(/an alpha that is not a number/);
});

it('numbers that are NaN or infinite are not written', async () => {
  const write = async (dtype: 'F16' | 'F32', value: number) => {
    const path = fresh();
    const tensor = { dtype, shape: [1], data: Float32Array.of(value) };
    return writeTensors(path, new Map([['x', tensor]]), new Map()).then(
      () => 'written',
      ({ message }: Error) => (existsSync(path) ? 'written' : message),
    );
  };
  expect(await write('F16', 65_000)).toBe('written');
  expect(await write('F16', -66_000)).toMatch(/numbers in x that are NaN or infinite in F16/);
  expect(await write('F32', 66_000)).toBe('written');
  expect(await write('F32', NaN)).toMatch(/NaN or infinite in F32/);
});

describe("PEFT's patterns", () => {
  it("in Python's syntax work, and slow ones are refused quickly", async () => {
    const { patternValues } = await import('../../gpu-worker/adapters/files/peft-patterns.ts');
    const value = patternValues(
      { 'mid\\_block\\.a\\-b': 1, '(?P<n>at)tn(?P=n)': 2, 'x{,2}y': 3 },
      'rank_pattern',
    );
    expect(['mid_block.a-b', 'z.attnat', 'xxy', 'other'].map(value)).toEqual([1, 2, 3, undefined]);
    const slow = patternValues({ '(a+)+b': 1 }, 'rank_pattern');
    expect(() => slow('a'.repeat(60))).toThrow(/too long/);
    const optional = patternValues({ [`${'a?'.repeat(40)}${'a'.repeat(40)}`]: 1 }, 'rank_pattern');
    const name = 'a'.repeat(40);
    expect(() => optional(`${name}.${name}!`)).toThrow(/too long/);
    const many = Array.from({ length: 40 }, (_, i) => [`.*\\..*\\.c${i}`, 1]);
    const quick = patternValues(Object.fromEntries(many), 'rank_pattern');
    expect(() => many.map(() => quick('.'.repeat(500)))).toThrow(/too long/);
    expect(patternValues({ 'x[]y]z': 1 }, 'rank_pattern')('x]z')).toBe(1);
    expect(() => patternValues({ 'attn1\\1to_q': 1 }, 'rank_pattern')).toThrow(/to a group by its number/);
    // JavaScript would put it first.
    expect(() => patternValues({ 'attn1.to_out.0': 4, '0': 8 }, 'alpha_pattern')).toThrow(
      /"0" in alpha_pattern/,
    );
  });
});

it('an empty noise strength counts as none, not as 0', async () => {
  const { noiseStrengthOf } = await import('../../gpu-worker/adapters/files/adapter-info.ts');
  const strengths = ['', ' ', '0', '0.5', 'x', '2'].map((text) =>
    noiseStrengthOf(new Map([['krona.noise_strength', text]])),
  );
  expect(strengths).toEqual([undefined, undefined, 0, 0.5, undefined, undefined]);
});

describe('extreme numbers in files', () => {
  const config = (fields: Record<string, unknown>) =>
    JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 2, ...fields });

  it.each([
    ['a ΔW beyond any model', { 'x.lokr_w1': [300, 300], 'x.lokr_w2': [300, 300] }],
    ['factors with a side of nothing', { 'x.lora_down.weight': [0, 8], 'x.lora_up.weight': [8, 0] }],
    [
      'a product of a column and a row',
      { 'x.lora_down.weight': [1, 40_000], 'x.lora_up.weight': [40_000, 1] },
    ],
    [
      'LoHa of different sides',
      { 'x.hada_w1_a': [8, 2], 'x.hada_w1_b': [2, 8], 'x.hada_w2_a': [4, 2], 'x.hada_w2_b': [2, 8] },
    ],
    [
      'GLoRA that does not fit',
      { 'x.a1.weight': [2, 8], 'x.a2.weight': [8, 2], 'x.b1.weight': [3, 7], 'x.b2.weight': [8, 2] },
    ],
    ['OFT of no squares', { 'x.oft_blocks': [2, 4, 3] }],
    ['BOFT of odd blocks', { 'x.oft_blocks': [2, 2, 3, 3] }],
    [
      'an alpha of many numbers',
      { 'x.lora_down.weight': [2, 8], 'x.lora_up.weight': [8, 2], 'x.alpha': [4] },
    ],
  ])('%s is refused', async (_, shapes) => {
    const path = fresh();
    await writeSafetensors(
      path,
      new Map(
        Object.entries(shapes).map(([key, shape]) => {
          const data = new Float32Array(shape.reduce((product, side) => product * side)).fill(0.1);
          return [key, { dtype: 'F32' as const, shape, data }];
        }),
      ),
    );
    await expect(inspectAdapter(path)).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:ADAPTER|SAFETENSORS)_INVALID$/) as string,
    });
  });

  it.each([
    [
      'a rank of nothing',
      { r: 0, rank_pattern: {}, use_rslora: true, peft_type: 'LOKR' },
      /gives \S+ the scale/,
    ],
    ['a method that is not read', { peft_type: 'VERA' }, /type "VERA"/],
    ['a variant of LoRA', { use_bdlora: { target_modules_bd_a: [] } }, /uses use_bdlora/],
    ['KaSA', { kasa_config: { beta: 1e-4 } }, /uses kasa_config/],
    [
      'an initial value that changes the weights beneath',
      { init_lora_weights: 'pissa_niter_16' },
      /pissa_niter_16.*conversion/,
    ],
  ])('%s in adapter_config.json is refused', async (_, fields, message) => {
    const at = await mkdtemp(join(folder, 'peft-'));
    const data = new Float32Array(16).fill(0.1);
    await writeSafetensors(
      join(at, 'adapter_model.safetensors'),
      new Map([
        [
          'base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lokr_w1',
          { dtype: 'F32', shape: [4, 4], data },
        ],
        [
          'base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lokr_w2',
          { dtype: 'F32', shape: [4, 4], data },
        ],
      ]),
    );
    await writeFile(join(at, 'adapter_config.json'), config(fields));
    await expect(convertAdapter(at, { to: 'lora', out: fresh() })).rejects.toMatchObject({
      code: expect.stringMatching(/^ADAPTER_/) as string,
      message: expect.stringMatching(message) as string,
    });
  });
});
