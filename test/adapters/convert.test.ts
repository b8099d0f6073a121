/** Converting adapters: the same ΔW, or a refusal that says what would work; and files that are refused. */
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { adapterInfo, type AdapterInfo } from '../../gpu-worker/adapters/files/adapter-info.ts';
import { kohyaNamed, writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { convertAdapter } from '../../gpu-worker/adapters/files/convert.ts';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';
import { peftFactor } from '../../gpu-worker/adapters/forms/peft-factor.ts';
import { openAdapter, type OpenLayer } from '../../gpu-worker/adapters/files/open-adapter.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import {
  openSafetensors,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { KeyedRandom } from '../../core/random.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { writeOurAdapters, type OurAdapter } from '../helpers/our-adapters.ts';

const FOREIGN = join(import.meta.dirname, '../fixtures/adapters');

let folder: string;
let model: ModelFolder;
let ours: Map<string, OurAdapter>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-convert-'));
  model = await openModelFolder(TINY_MODEL);
  ours = new Map((await writeOurAdapters(join(folder, 'ours'))).map((each) => [each.name, each]));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const fresh = () => join(folder, `converted-${files++}`);

/** ‖found − wanted‖ / ‖wanted‖ over all modules. */
async function distance(found: string, wanted: string): Promise<number> {
  const [one, other] = [await openAdapter(found, [1, 1, 1]), await openAdapter(wanted, [1, 1, 1])];
  expect([...one.layers.keys()].sort()).toEqual([...other.layers.keys()].sort());
  const deltaOf = async ({ stored, scale }: OpenLayer) => (await stored.read(await scale())).delta();
  let [lost, whole] = [0, 0];
  for (const [module, layer] of other.layers) {
    const target = await deltaOf(layer);
    const delta = await deltaOf(one.layers.get(module)!);
    target.forEach((value, i) => {
      lost += (delta[i]! - value) ** 2;
      whole += value ** 2;
    });
  }
  return Math.sqrt(lost / whole);
}

describe('converting', () => {
  it.each([
    ['a LoKr of LyCORIS', 'lycoris-lokr-full.safetensors', 'lokr'],
    ['a low-rank LoKr with convolutions', 'lycoris-lokr-low-rank.safetensors', 'lokr'],
    ['a LoKr with a Tucker core', 'lycoris-lokr-tucker.safetensors', 'lokr'],
    ['a LoKr of PEFT, whose alpha/rank is 1/2', 'peft-lokr', 'lokr'],
    ['a LoKr of PEFT', 'peft-lokr', 'peft'],
    ['a LoRA of PEFT with ranks, alphas and a convolution', 'peft-lora', 'lora'],
    ['the same to another folder', 'peft-lora', 'peft'],
    ['the same to LoKr', 'peft-lora', 'lokr'],
    ['a rank-stabilised LoRA', 'peft-rslora', 'peft'],
    ['a LoRA of diffusers', 'diffusers-lora.safetensors', 'lora'],
    ['a LoRA of kohya in half precision', 'kohya-lora.safetensors', 'lokr'],
    ["DiffuseKronA's factors", 'diffusekrona.safetensors', 'lora'],
    ["DiffuseKronA's factors that are plain products", 'diffusekrona-edges.safetensors', 'lokr'],
  ] as const)('%s changes nothing', async (_, file, to) => {
    const out = fresh() + (to === 'peft' ? '' : '.safetensors');
    const result = await convertAdapter(join(FOREIGN, file), { to, out, base: adapterBase(model) });
    expect(result).toMatchObject({ error: 0, worst: null, format: to });
    expect(await distance(out, join(FOREIGN, file))).toBeLessThan(2e-7);
    // The model itself has all of it.
    expect((await readAdapter(out, adapterBase(model))).layers.size).toBe(result.modules);
  });

  describe('a LoRA in half precision', () => {
    const name = (block: number) => `lora_unet_input_blocks_5_1_transformer_blocks_${block}_attn1_to_q`;
    const random = new KeyedRandom(4, 'factors');
    const half = (shape: number[], size: number): TensorToWrite => ({
      dtype: 'F16',
      shape,
      data: random.normals(shape.reduce((n, side) => n * side)).map((value) => value * size),
    });
    const write = async (alphas: readonly number[]): Promise<string> => {
      const path = `${fresh()}.safetensors`;
      const tensors = alphas.flatMap((alpha, block): [string, TensorToWrite][] => [
        [`${name(block)}.lora_down.weight`, half([6, 24], 1)],
        // As small as of a short training: with the scale it leaves the range of half precision.
        [`${name(block)}.lora_up.weight`, half([24, 6], 1e-4)],
        [`${name(block)}.alpha`, { dtype: 'F32', shape: [], data: Float32Array.of(alpha) }],
      ]);
      await writeSafetensors(path, new Map(tensors));
      return path;
    };
    it.each([
      ['a scale that goes into a factor', [0.05, 0.05], { names: 'diffusers' }],
      ['two alphas', [0.05, 3], {}],
      ['an alpha of 0', [0, 0.05], {}],
      ['an alpha of 0 in diffusers’ names', [0, 0.05], { names: 'diffusers' }],
    ] as const)('keeps its ΔW: %s', async (_, alphas, more) => {
      const source = await write(alphas);
      const out = `${fresh()}.safetensors`;
      const result = await convertAdapter(source, { to: 'lora', out, base: adapterBase(model), ...more });
      expect(result).toMatchObject({ error: 0 });
      expect(await distance(out, source)).toBeLessThan(2e-7);
    });
    it('stays in half precision where all numbers are copies', async () => {
      const out = `${fresh()}.safetensors`;
      await convertAdapter(await write([3, 3]), { to: 'lora', out, base: adapterBase(model) });
      const { tensors } = await openSafetensors(out);
      expect(tensors.get(`${name(0)}.lora_up.weight`)!.dtype).toBe('F16');
    });
  });

  it.each([
    ['a text encoder of SD 1.x', 'lora_te_text_model_encoder_layers_0_self_attn_q_proj', 768, 'sd_v1'],
    ['a text encoder of SD 2.x', 'lora_te_text_model_encoder_layers_0_self_attn_q_proj', 1024, 'sd_v2'],
    [
      'self-attention of any model',
      'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q',
      8,
      null,
    ],
  ])('without the model says only what is known of it: %s', async (_, name, width, version) => {
    const factor = (shape: number[]): TensorToWrite => ({
      dtype: 'F32',
      shape,
      data: new Float32Array(width).fill(0.5),
    });
    const [source, out] = [`${fresh()}.safetensors`, `${fresh()}.safetensors`];
    await writeSafetensors(
      source,
      new Map([
        [`${name}.lora_down.weight`, factor([1, width])],
        [`${name}.lora_up.weight`, factor([width, 1])],
      ]),
    );
    await convertAdapter(source, { to: 'lora', out });
    expect((await inspectAdapter(out)).base.version).toBe(version);
  });

  it("without the model assumes SDXL's block counts for names", async () => {
    const name = 'lora_unet_output_blocks_5_1_transformer_blocks_0_attn1_to_q';
    const random = new KeyedRandom(1, 'factors');
    const tensor = (shape: number[]): TensorToWrite => ({
      dtype: 'F32',
      shape,
      data: random.normals(shape.reduce((n, side) => n * side)),
    });
    const source = `${fresh()}.safetensors`;
    await writeSafetensors(
      source,
      new Map([
        [`${name}.lokr_w1`, tensor([8, 8])],
        [`${name}.lokr_w2`, tensor([80, 80])],
      ]),
      new Map([['ss_base_model_version', 'sdxl_base_v1-0']]),
    );
    const out = fresh();
    await convertAdapter(source, { to: 'peft', out });
    const path = 'up_blocks.1.attentions.2.transformer_blocks.0.attn1.to_q';
    expect(JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8'))).toMatchObject({
      peft_type: 'LOKR',
      decompose_factor: 8,
      r: 80,
      alpha: 80,
      target_modules: [path],
    });
    const back = `${fresh()}.safetensors`;
    await convertAdapter(out, { to: 'lokr', out: back });
    expect((await openAdapter(back)).layers.get(path)!.name).toBe(name);
    expect(await distance(back, source)).toBe(0);
  });

  it('to a LoRA of a given rank reports the error', async () => {
    const source = ours.get('krona')!.path;
    const out = `${fresh()}.safetensors`;
    const base = adapterBase(model);
    const near = await convertAdapter(source, { to: 'lora', out, rank: 5, base });
    expect(near.rank).toBe(5);
    expect(near.error).toBeGreaterThan(0.01);
    expect(near.worst!.error).toBeGreaterThan(near.error);
    // Modules whose exact rank is small enough are copied, and only the others lose anything.
    expect(await distance(out, source)).toBeCloseTo(near.error, 5);
    const nearer = await convertAdapter(source, { to: 'lora', out: `${fresh()}.safetensors`, rank: 7, base });
    expect(nearer.error).toBeLessThan(near.error);
    const exact = await convertAdapter(source, { to: 'lora', out: `${fresh()}.safetensors`, rank: 24, base });
    expect(exact.error).toBe(0);
  });

  it('to a LoRA is refused without a rank if only an approximation is possible', async () => {
    // 24×40: both exact forms would have a rank of 30 or more.
    const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k';
    const source = `${fresh()}.safetensors`;
    const ones = (rows: number, columns: number): TensorToWrite => ({
      dtype: 'F32',
      shape: [rows, columns],
      data: new Float32Array(rows * columns).fill(1),
    });
    await writeSafetensors(
      source,
      new Map([
        [`${name}.lokr_w1`, ones(3, 4)],
        [`${name}.lokr_w2`, ones(8, 10)],
      ]),
    );
    await expect(convertAdapter(source, { to: 'lora', out: fresh() })).rejects.toMatchObject({
      code: 'ADAPTER_LOSSY',
      message: expect.stringMatching(/full rank.*--rank/) as string,
    });
    // As it happens, this one has rank 1.
    const { error } = await convertAdapter(source, { to: 'lora', out: `${fresh()}.safetensors`, rank: 1 });
    expect(error).toBeLessThan(1e-6);
  });

  it("to PEFT's LoKr refuses shapes that PEFT can't express, and lists the possible ones", async () => {
    await expect(convertAdapter(ours.get('krona')!.path, { to: 'peft', out: fresh() })).rejects.toMatchObject(
      {
        code: 'ADAPTER_UNREPRESENTABLE',
        message: expect.stringMatching(/cannot make A 4×2 .*A 1×1, 2×2, 4×4, 8×8 here.*--to lora/) as string,
      },
    );
    const out = fresh();
    await convertAdapter(ours.get('krona')!.path, { to: 'peft', out, rank: 24 });
    expect(await distance(out, ours.get('krona')!.path)).toBeLessThan(2e-7);
  });

  it.each([
    ["DiffuseKronA's factors to LoKr", 'diffusekrona.safetensors', 'lokr', /row-permuted.*--to lora/],
    ["DiffuseKronA's factors to PEFT", 'diffusekrona.safetensors', 'peft', /row-permuted.*--to lora/],
    ['differences', 'lycoris-full.safetensors', 'lora', /in full; only a difference file/],
    ['UNet and text encoders to PEFT', 'kohya-lora.safetensors', 'peft', /one model/],
  ] as const)('refuses %s', async (_, file, to, message) => {
    await expect(convertAdapter(join(FOREIGN, file), { to, out: fresh() })).rejects.toMatchObject({
      code: 'ADAPTER_UNREPRESENTABLE',
      message: expect.stringMatching(message) as string,
    });
  });

  it("keeps Krona's metadata in every format, and notes what other programs ignore", async () => {
    const source = `${fresh()}.safetensors`;
    const { layers } = ours.get('square')!;
    const info: AdapterInfo = {
      baseModel: 'sdxl-tiny',
      baseHash: await modelFingerprint(model),
      a1: 4,
      a2: 4,
      noiseStrength: 0.25,
      subjectToken: 'sks',
      subjectClass: 'cat',
      steps: 20,
      seed: 1,
      resolution: 64,
      predictionType: 'epsilon',
      settings: { method: 'krona', captions: ['a sks cat on “grass”', null] },
    };
    await writeAdapter(source, layers, model, info);
    const base = adapterBase(model);
    const painter = await TextToImage.open(TINY_MODEL);
    try {
      for (const [to, names] of [
        ['lokr', 'kohya'],
        ['lora', 'kohya'],
        ['lora', 'diffusers'],
        ['peft', 'kohya'],
      ] as const) {
        const out = fresh() + (to === 'peft' ? '' : '.safetensors');
        const { notes } = await convertAdapter(source, { to, names, out, base });
        expect(notes).toEqual([expect.stringMatching(/falls to 0\.25 .*krona\.noise_strength.*Krona alone/)]);
        // There, and on the way back.
        const back = `${fresh()}.safetensors`;
        await convertAdapter(out, { to: to === 'peft' ? 'lokr' : 'lora', out: back, base });
        for (const path of [out, back]) {
          expect(adapterInfo((await openAdapter(path)).file.metadata), `${to} ${names}`).toEqual(info);
          expect((await painter.readAdapter(path)).noiseStrength).toBe(0.25);
        }
      }
    } finally {
      await painter.release();
    }
    const plain = await convertAdapter(ours.get('square')!.path, { to: 'peft', out: fresh() });
    expect(plain.notes).toEqual([]);
  });

  it('splits sides as PEFT does', () => {
    const cuts = [
      [640, -1],
      [1280, -1],
      [2048, -1],
      [640, 8],
      [640, 128],
      [360, 16],
      [24, 5],
    ] as const;
    expect(cuts.map(([side, factor]) => peftFactor(side, factor))).toEqual([
      [20, 32],
      [32, 40],
      [32, 64],
      [8, 80],
      [128, 5],
      [15, 24],
      [4, 6],
    ]);
  });
});

describe('converting a text encoder to PEFT', () => {
  it('names its modules as transformers 5 does, and says what transformers 4 needs', async () => {
    const modules = async (name: string) => {
      const config = JSON.parse(
        await readFile(join(ours.get(name)!.path, 'adapter_config.json'), 'utf8'),
      ) as {
        target_modules: string[];
      };
      return config.target_modules[0];
    };
    expect(await modules('text-peft')).toBe('encoder.layers.0.self_attn.k_proj');
    expect(await modules('text-2-peft')).toBe('text_model.encoder.layers.0.self_attn.k_proj');
    const note = async (name: string) =>
      (await convertAdapter(ours.get(name)!.path, { to: 'peft', out: fresh() })).notes;
    expect(await note('text')).toEqual([expect.stringMatching(/transformers 5.*transformers 4.*--to lora/)]);
    expect(await note('text-2')).toEqual([]);
  });
});

describe('inspecting', () => {
  it('warns when the adapter was trained for another prediction type', async () => {
    const written = async (metadata: Record<string, string>, ...parts: string[]) => {
      const path = `${fresh()}.safetensors`;
      const tensor: TensorToWrite = { dtype: 'F32', shape: [4, 4], data: new Float32Array(16).fill(1) };
      const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q';
      await writeSafetensors(
        path,
        new Map(parts.map((part) => [`${name}.${part}`, tensor])),
        new Map(Object.entries(metadata)),
      );
      return path;
    };
    const args = { ss_network_args: '{"algo": "lokr", "rs_lora": "True"}', ss_network_dim: '16' };
    const whole = await written(args, 'lokr_w1', 'lokr_w2');
    const note = [expect.stringMatching(/rs_lora.*√16 = 4\.00.*Krona too/)];
    expect((await inspectAdapter(whole)).notes).toEqual(note);
    expect((await convertAdapter(whole, { to: 'lora', out: `${fresh()}.safetensors` })).notes).toEqual(note);
    const product = await written(args, 'lokr_w1', 'lokr_w2_a', 'lokr_w2_b');
    expect((await inspectAdapter(product)).notes).toEqual([]);
    const velocity = await written({ ss_base_model_version: 'sd_v2_v' }, 'lokr_w1', 'lokr_w2');
    expect((await inspectAdapter(velocity)).notes).toEqual([expect.stringMatching(/velocity/)]);
  });

  it.each([
    ['peft-lokr', { format: 'peft', method: 'krona', factors: { a1: 2, a2: 2 }, rank: null }],
    ['peft-lora', { format: 'peft', method: 'lora', rank: [4, 2], scale: [0.5, 1.5], factors: null }],
    ['diffusers-lora.safetensors', { format: 'lora', method: 'lora' }],
    ['kohya-lora.safetensors', { format: 'lora', rank: [4, 2], scale: [0.25, 0.5] }],
    ['diffusekrona.safetensors', { format: 'diffusekrona', method: 'krona' }],
    ['lycoris-full.safetensors', { format: 'difference', method: 'full' }],
    ['lycoris-lokr-low-rank.safetensors', { format: 'lokr', method: 'krona' }],
  ])('describes %s', async (file, expected) => {
    const report = await inspectAdapter(join(FOREIGN, file));
    const sorted = (value: unknown) =>
      Array.isArray(value) ? (value as number[]).toSorted((x, y) => x - y) : value;
    for (const [key, value] of Object.entries(expected))
      expect(sorted(report[key as keyof typeof report]), key).toEqual(sorted(value));
    expect(report.parameters).toBeGreaterThan(100);
  });

  it('counts the trained parameters', async () => {
    const count = async (name: string) => (await inspectAdapter(ours.get(name)!.path)).parameters;
    // 88 projections: Σ 4·2 + out·in/8, and the whole UNet.
    expect(await count('full')).toBe([...model.unet.tensors.values()].reduce((n, t) => n + t.length / 4, 0));
    const numbers = [...ours.get('krona')!.layers.values()].flatMap((layer) => layer.numbers);
    expect(await count('krona')).toBe(numbers.reduce((n, { length }) => n + length, 0));
  });
});

describe("PEFT's patterns", () => {
  const copied = async (change: object) => {
    const out = fresh();
    await cp(join(FOREIGN, 'peft-lora'), out, { recursive: true });
    const path = join(out, 'adapter_config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...config, ...change }));
    return openAdapter(out, [1, 1, 1]);
  };

  it('are regular expressions for the end of a name; the first match counts', async () => {
    const { layers } = await copied({ lora_alpha: 1, alpha_pattern: { 'attn\\d\\.to_(q|v)': 9, o_k: 7 } });
    const alphas = new Map<string, number>();
    for (const [path, { stored, scale }] of layers) {
      const rank = stored.shape.facts().rank!;
      if (/attn1\.to_[qkv]$/.test(path)) alphas.set(path.slice(-4), Math.round((await scale()) * rank));
    }
    for (const [end, alpha] of alphas) expect(alpha, end).toBe(end === 'to_k' ? 1 : 9);
    expect(alphas.size).toBeGreaterThan(0);
  });

  it('are refused when they take too long', async () => {
    const { layers } = await copied({ alpha_pattern: { '(([a-z0-9_]|[.])+)+!': 9 } });
    const [first] = layers.values();
    await expect(first!.scale()).rejects.toMatchObject({ code: 'ADAPTER_INVALID' });
  });
});

describe('files that are refused', () => {
  it.each([NaN, Infinity])('contain %s; the error names file and module', async (value) => {
    const { layers } = ours.get('lora')!;
    const path = `${fresh()}.safetensors`;
    const [[module, layer] = expect.unreachable()] = layers;
    const [down, up] = layer.numbers;
    const broken = layer.withNumbers((part) =>
      part === '.down' ? down!.map((number, i) => (i === 3 ? value : number)) : up!,
    );
    await writeSafetensors(
      path,
      kohyaNamed(new Map([[module, broken.tensors('F32')]]), { base: [1, 1, 1], family: 'sdxl' }),
    );
    const wanted = {
      code: 'ADAPTER_INVALID',
      message: expect.stringMatching(/converted-.*lora_unet_.*NaN or infinite/) as string,
    };
    await expect(readAdapter(path, adapterBase(model))).rejects.toMatchObject(wanted);
    await expect(convertAdapter(path, { to: 'lora', out: fresh() })).rejects.toMatchObject(wanted);
  });

  const matrix = (rows: number, columns: number): TensorToWrite => ({
    dtype: 'F32',
    shape: [rows, columns],
    data: new Float32Array(rows * columns).fill(1),
  });
  const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q';
  it.each<[string, Record<string, TensorToWrite>, string, RegExp]>([
    ['half a LoHa', { [`${name}.hada_w1_a`]: matrix(24, 2) }, 'ADAPTER_INVALID', /hada_w1_a and _b/],
    [
      'DoRA',
      {
        [`${name}.lora_down.weight`]: matrix(2, 24),
        [`${name}.lora_up.weight`]: matrix(24, 2),
        [`${name}.dora_scale`]: matrix(24, 1),
      },
      'ADAPTER_TARGETS_UNSUPPORTED',
      /DoRA/,
    ],
    ['a lone factor', { [`${name}.lora_down.weight`]: matrix(2, 24) }, 'ADAPTER_INVALID', /both factors/],
    [
      'factors that do not meet',
      { [`${name}.lora_down.weight`]: matrix(2, 24), [`${name}.lora_up.weight`]: matrix(24, 3) },
      'ADAPTER_INVALID',
      /\[2, 24\] and \[24, 3\]/,
    ],
    ['a model', { 'conv_in.weight': matrix(2, 2) }, 'ADAPTER_FORMAT_UNSUPPORTED', /conv_in\.weight/],
  ])('%s', async (_, tensors, code, message) => {
    const path = `${fresh()}.safetensors`;
    await writeSafetensors(path, new Map(Object.entries(tensors)));
    await expect(inspectAdapter(path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('are for another base; the error names a module and both sizes, or what is missing', async () => {
    const path = `${fresh()}.safetensors`;
    const sdxl = new Map([['ss_base_model_version', 'sdxl_base_v1-0']]);
    const pair = (module: string, width: number) => [
      [`${module}.lora_down.weight`, matrix(4, width)] as const,
      [`${module}.lora_up.weight`, matrix(width, 4)] as const,
    ];
    await writeSafetensors(path, new Map(pair(name, 1280)), sdxl);
    await expect(readAdapter(path, adapterBase(model))).rejects.toMatchObject({
      code: 'ADAPTER_BASE_MISMATCH',
      message: expect.stringMatching(
        /sdxl_base_v1-0.*rank 4 of 1280×1280, which in model is 24×24/,
      ) as string,
    });
    const deep = 'lora_unet_middle_block_1_transformer_blocks_9_attn1_to_q';
    await writeSafetensors(path, new Map([...pair(name, 24), ...pair(deep, 24)]), sdxl);
    await expect(readAdapter(path, adapterBase(model))).rejects.toMatchObject({
      code: 'ADAPTER_TARGETS_UNSUPPORTED',
      message: expect.stringMatching(/1 of 2 modules.*transformer_blocks_9_attn1_to_q/) as string,
    });
  });

  it('are PEFT folders without a config, with a pickle, or of another kind', async () => {
    const at = fresh();
    await mkdir(at);
    const config = (facts: object) => writeFile(join(at, 'adapter_config.json'), JSON.stringify(facts));
    await copyFile(
      join(FOREIGN, 'peft-lora/adapter_model.safetensors'),
      join(at, 'adapter_model.safetensors'),
    );
    for (const path of [at, join(at, 'adapter_model.safetensors')])
      await expect(inspectAdapter(path)).rejects.toMatchObject({
        code: 'ADAPTER_INVALID',
        message: expect.stringContaining('adapter_config.json') as string,
      });
    await config({ peft_type: 'VERA' });
    await expect(inspectAdapter(at)).rejects.toMatchObject({ code: 'ADAPTER_METHOD_UNSUPPORTED' });
    await rm(join(at, 'adapter_model.safetensors'));
    await writeFile(join(at, 'adapter_model.bin'), '');
    await config({ peft_type: 'LORA', r: 4, lora_alpha: 4 });
    await expect(inspectAdapter(at)).rejects.toMatchObject({
      code: 'SAFETENSORS_FOREIGN',
      message: expect.stringMatching(/pickle.*run code/) as string,
    });
  });

  it('are truncated files and pickles; the error says which', async () => {
    const path = `${fresh()}.safetensors`;
    const whole = await readFile(ours.get('lora')!.path);
    await writeFile(path, whole.subarray(0, whole.length - 5));
    await expect(inspectAdapter(path)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
    await writeFile(path, Buffer.from('\x80\x02}q\x00(X\x04\x00\x00\x00unetq', 'latin1'));
    await expect(inspectAdapter(path)).rejects.toMatchObject({ code: 'SAFETENSORS_FOREIGN' });
  });
});
