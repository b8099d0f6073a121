/** Every kind of adapter file on every architecture: what a method writes, and what converting makes of it, reads back as the same ΔW. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdapterInfo } from '../../gpu-worker/adapters/files/adapter-info.ts';
import { adapterLayers, adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { convertAdapter } from '../../gpu-worker/adapters/files/convert.ts';
import { ADAPTER_METHODS, type MethodOptions } from '../../gpu-worker/adapters/methods.ts';
import { openAdapter } from '../../gpu-worker/adapters/files/open-adapter.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { readFloats, writeSafetensors, type TensorToWrite } from '../../gpu-worker/models/safetensors.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Method } from '../../core/settings/choices.ts';
import { worstError } from '../helpers/fixtures.ts';
import { openTiny, type TinyName } from '../helpers/sd-fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-architectures-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Square factors, as PEFT can say no others. */
const METHODS: [Method, MethodOptions][] = [
  ['krona', { a1: 4, a2: 4 }],
  ['lora', { a1: 1, a2: 1, rank: 2, alpha: 1 }],
  ['full', { a1: 1, a2: 1 }],
];
const TARGETS = [
  ['lokr', 'kohya'],
  ['lora', 'kohya'],
  ['lora', 'diffusers'],
  ['peft', 'kohya'],
] as const;

describe.each(['sd15', 'sd21', 'sdxl', 'refiner'] as const)('%s', (name) => {
  it.each(METHODS)('%s', async (method, options) => {
    const model = await openTiny(name, 'folder');
    const base = adapterBase(model);
    const shapes = ADAPTER_METHODS[method].shapes(model, options);
    const random = new KeyedRandom(1, `${name} ${method}`);
    const layers = adapterLayers(shapes, random.normals(adapterLayout(shapes).length));
    const path = join(folder, `${name}-${method}.safetensors`);
    await writeAdapter(path, layers, model, {
      baseModel: name,
      baseHash: 'abc',
      ...ADAPTER_METHODS[method].facts(options),
      subjectToken: 'sks',
      subjectClass: 'cat',
      steps: 1,
      seed: 1,
      resolution: 64,
      predictionType: 'epsilon',
      settings: {},
    });
    const same = async (file: string): Promise<void> => {
      const read = (await readAdapter(file, base)).layers;
      expect([...read.keys()].sort()).toEqual([...layers.keys()].sort());
      for (const [module, layer] of layers)
        expect(worstError(read.get(module)!.delta(), layer.delta()), module).toBeLessThan(1e-6);
    };
    await same(path);
    if (method === 'full') return;
    for (const [to, names] of TARGETS) {
      const out = join(folder, `${name}-${method}-${to}-${names}${to === 'peft' ? '' : '.safetensors'}`);
      await convertAdapter(path, { to, names, out, base });
      await same(out);
    }
  });
});

describe('the base that a file names', () => {
  const info = (predictionType: string): AdapterInfo => ({
    baseModel: 'tiny',
    baseHash: 'abc',
    a1: 4,
    a2: 4,
    subjectToken: 'sks',
    subjectClass: 'cat',
    steps: 1,
    seed: 1,
    resolution: 64,
    predictionType,
    settings: {},
  });
  /** A file for `name`, as training writes it. */
  const written = async (name: TinyName, predictionType: string): Promise<string> => {
    const model = await openTiny(name, 'folder');
    const options = { a1: 4, a2: 4 };
    const shapes = ADAPTER_METHODS.krona.shapes(model, options);
    const path = join(folder, `${name}-${predictionType}.safetensors`);
    const layers = adapterLayers(shapes, new Float32Array(adapterLayout(shapes).length).fill(1));
    await writeAdapter(path, layers, model, info(predictionType));
    return path;
  };

  it.each([
    ['sd15', 'epsilon', 'sd_v1', 'False', 'stable-diffusion-v1/lora', 'epsilon'],
    ['sd15', 'v_prediction', 'sd_v1_v', 'False', 'stable-diffusion-v1/lora', 'v'],
    ['sd21', 'epsilon', 'sd_v2', 'True', 'stable-diffusion-v2-512/lora', 'epsilon'],
    ['sd21', 'v_prediction', 'sd_v2_v', 'True', 'stable-diffusion-v2-768-v/lora', 'v'],
    ['sdxl', 'v_prediction', 'sdxl_base_v1-0', 'False', 'stable-diffusion-xl-v1-base/lora', 'v'],
  ] as const)(
    'uses the names of sd-scripts: %s %s',
    async (name, predictionType, version, v2, architecture, said) => {
      const { metadata } = (await openAdapter(await written(name, predictionType))).file;
      expect(Object.fromEntries(metadata)).toMatchObject({
        ss_base_model_version: version,
        ss_v2: v2,
        'modelspec.architecture': architecture,
        'modelspec.prediction_type': said,
      });
    },
  );

  it('is refused when it is another architecture, even if all shapes fit', async () => {
    const base = adapterBase(await openTiny('sd15', 'folder'));
    const own = await written('sd15', 'epsilon');
    expect((await readAdapter(own, base)).notes).toEqual([]);
    const other = { ...base, family: 'sd2', name: 'sd21' } as const;
    await expect(readAdapter(own, other)).rejects.toMatchObject({
      code: 'ADAPTER_BASE_MISMATCH',
      message: expect.stringMatching(
        /base is Stable Diffusion 1\.x \(sd_v1\), and sd21 is Stable Diffusion 2\.x; expected sd_v2.*Use a Stable Diffusion 1\.x model/,
      ) as string,
    });
    const { file } = await openAdapter(own);
    const silent = join(folder, 'silent.safetensors');
    const tensors = new Map<string, TensorToWrite>();
    for (const [key, tensor] of file.tensors)
      tensors.set(key, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
    await writeSafetensors(silent, tensors, new Map([['ss_sd_model_name', 'sd_v1 of somebody']]));
    expect((await readAdapter(silent, other)).layers.size).toBeGreaterThan(0);
  });

  it('causes a warning about another prediction type, and the file is read', async () => {
    const model = await openTiny('sd21', 'folder');
    expect((await readAdapter(await written('sd21', 'v_prediction'), adapterBase(model))).notes).toEqual([]);
    const { notes, layers } = await readAdapter(await written('sd21', 'epsilon'), adapterBase(model));
    expect(notes).toEqual([expect.stringMatching(/predicts noise.*predicts velocity.*applied anyway/)]);
    expect(layers.size).toBeGreaterThan(0);
  });
});
