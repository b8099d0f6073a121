/** Every kind of adapter file on every architecture: what a method writes, and what converting makes of it, reads back as the same ΔW. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterLayers, adapterLayout, layerDelta } from '../../gpu-worker/adapters/adapter.ts';
import { adapterBase } from '../../gpu-worker/adapters/adapter-base.ts';
import { convertAdapter } from '../../gpu-worker/adapters/convert.ts';
import { ADAPTER_METHODS, type MethodOptions } from '../../gpu-worker/adapters/methods.ts';
import { readAdapter } from '../../gpu-worker/adapters/read-adapter.ts';
import { KeyedRandom } from '../../gpu-worker/random.ts';
import type { Method } from '../../storage/settings.ts';
import { worstError } from '../helpers/fixtures.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';

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
    await ADAPTER_METHODS[method].write(path, layers, model, {
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
        expect(worstError(layerDelta(read.get(module)!), layerDelta(layer)), module).toBeLessThan(1e-6);
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
