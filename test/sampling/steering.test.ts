/** Drawing more like some pictures and less like others: predictions as torch's, and whole runs. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { BESIDE_LOG_WEIGHTS, besideInputs, besideName, keepTokens } from '../../gpu-worker/models/beside.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import type { Steer } from '../../gpu-worker/sampling/steering.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { KeyedRandom } from '../../core/random.ts';
import { worstError } from '../helpers/fixtures.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

const FIXTURE = join(import.meta.dirname, '../fixtures/steering.safetensors');
const TIMESTEP = 421;

describe.each(['sd15', 'sdxl'] as const)('%s beside other pictures', (name) => {
  it('predicts what torch predicts', async () => {
    const { tensors } = await openSafetensors(FIXTURE);
    const of = async (key: string): Promise<Float32Array> => {
      const stored = tensors.get(`${name}.${key}`)!;
      return (await readTensor(stored)) as Float32Array;
    };
    const { unet: part } = await openModel(tinyFolder(name));
    const parameters = frozenParameters(part.name, part.tensors);
    const inputs = unetInputs(part.config, 2, 8, 8, 5);
    const text = await of('text');
    const added =
      name === 'sdxl' ? { text_embeds: await of('text_embeds'), time_ids: await of('time_ids') } : {};
    const twice = (values: Float32Array): Float32Array => {
      const first = values.subarray(0, values.length / 2);
      return Float32Array.from([...first, ...first]);
    };
    const timesteps = new Float32Array(2).fill(TIMESTEP);

    const kept = new Map<string, Tensor>();
    unet(part.config, parameters, inputs, { beside: keepTokens(kept) });
    const recorder = await Session.create(compile(Object.fromEntries(kept)));
    const tokens: Record<string, Float32Array> = await recorder.run({
      latents: await of('others'),
      timesteps,
      encoder_hidden_states: twice(text),
      ...Object.fromEntries(Object.entries(added).map(([key, values]) => [key, twice(values)])),
    });
    await recorder.release();

    const reader = await Session.create(
      compile({ prediction: unet(part.config, parameters, inputs, { beside: besideInputs(2, 2) }) }),
    );
    // Both rows read both pictures; the second gives the other one no weight.
    const beside = Object.entries(tokens).map(
      ([path, values]) => [besideName(path), Float32Array.from([...values, ...values])] as const,
    );
    const { prediction } = await reader.run({
      latents: await of('latents'),
      timesteps,
      encoder_hidden_states: text,
      ...added,
      ...Object.fromEntries(beside),
      [BESIDE_LOG_WEIGHTS]: Float32Array.from([Math.log(0.3), Math.log(0.3), Math.log(0.8), -1000]),
    });
    await reader.release();
    expect(kept.size).toBeGreaterThan(2);
    expect(worstError(prediction, await of('prediction'))).toBeLessThan(1e-5);
  });
});

describe('a steered run', () => {
  const request: DrawRequest = {
    prompt: 'a photo of a cat',
    negative: null,
    adapter: null,
    steps: 4,
    guidance: 5,
    scheduler: null,
    width: 64,
    height: 32,
    seed: 3,
    count: 2,
    noise: 'krona',
  };
  const picture = (seed: number): Float32Array => new KeyedRandom(seed, 'picture').normals(4 * 4 * 8);
  const steer: Steer = { liked: [picture(1), picture(2)], disliked: [picture(3)], weight: 1, until: 0.5 };
  const runs = async (...asked: readonly DrawRequest[]): Promise<Float32Array[]> => {
    const engine = await TextToImage.open(tinyFolder('sd15'));
    const results: Float32Array[] = [];
    for (const each of asked) results.push(await engine.denoise(each));
    await engine.release();
    return results;
  };

  it('draws each picture as if it were drawn alone', async () => {
    const [both, first] = await runs({ ...request, steer }, { ...request, steer, count: 1 });
    expect(worstError(both!.subarray(0, first!.length), first!)).toBeLessThan(1e-5);
  });

  it('depends on pictures of both kinds, and on weight and duration', async () => {
    const [plain, ...others] = await runs(
      request,
      { ...request, steer },
      { ...request, steer: { ...steer, disliked: [] } },
      { ...request, steer: { ...steer, liked: [] } },
      { ...request, steer: { ...steer, weight: 0.2 } },
      { ...request, steer: { ...steer, until: 1 } },
    );
    const all = [plain!, ...others];
    for (const [n, one] of all.entries())
      for (const other of all.slice(n + 1)) expect(worstError(one, other)).toBeGreaterThan(1e-4);
  });

  it('is the plain run where the pictures weigh nothing, or are none', async () => {
    const [plain, light, none] = await runs(
      request,
      { ...request, steer: { ...steer, weight: 1e-12 } },
      { ...request, steer: { ...steer, liked: [], disliked: [] } },
    );
    expect(worstError(light!, plain!)).toBeLessThan(1e-4);
    expect(none).toEqual(plain);
  });

  it('gives disliked pictures no effect without guidance', async () => {
    const [some, none] = await runs(
      { ...request, guidance: 1, steer },
      { ...request, guidance: 1, steer: { ...steer, disliked: [] } },
    );
    expect(some).toEqual(none);
  });
});
