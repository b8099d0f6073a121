/** The models compute what diffusers and transformers compute, forward and backward (fixtures: test/fixtures/README.md). */
import { beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { clipText, endPositions } from '../../gpu-worker/models/clip-text.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters, givenParameters, parametersOf } from '../../gpu-worker/models/parameters.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/models/vae.ts';
import { readFixture, TINY_MODEL, type FixtureTensor } from '../helpers/fixtures.ts';

let model: ModelFolder;
beforeAll(async () => {
  model = await openModelFolder(TINY_MODEL);
});

const feed = (...tensors: [string, FixtureTensor][]): Feeds =>
  Object.fromEntries(tensors.map(([name, tensor]) => [name, tensor.data]));

/** Largest absolute difference. */
function difference(actual: ArrayLike<number>, expected: FixtureTensor): number {
  const wanted = expected.data;
  expect(actual.length).toBe(wanted.length);
  return wanted.reduce((worst, x, i) => Math.max(worst, Math.abs(x - actual[i]!)), 0);
}

/** Largest difference relative to the expected tensor's own size, with a floor for tensors that are only rounding. */
function relative(actual: ArrayLike<number>, expected: FixtureTensor, floor: number): number {
  const size = expected.data.reduce((worst, x) => Math.max(worst, Math.abs(x)), 0);
  return difference(actual, expected) / Math.max(size, floor);
}

async function run(outputs: Record<string, Tensor>, feeds: Feeds): Promise<Record<string, Float32Array>> {
  return await runOnce(compile(outputs), feeds);
}

describe('text encoders', () => {
  it.each([0, 1] as const)(
    'text encoder %i gives the penultimate states and the pooled projection',
    async (which) => {
      const f = await readFixture('text');
      const ids = f.tensor(which === 0 ? 'input_ids' : 'input_ids_2');
      const { config, tensors, name } = model.textEncoders[which]!;
      const [batch, length] = ids.shape as [number, number];
      const outputs = clipText(
        config,
        frozenParameters(name, tensors),
        op.input('ids', [batch, length], 'int64'),
        op.input('end', [batch, length]),
      );
      const rows = Array.from({ length: batch }, (_, i) => ids.data.subarray(i * length, (i + 1) * length));
      const wanted: Record<string, Tensor> = { penultimate: outputs.penultimate };
      if (outputs.pooled) wanted['pooled'] = outputs.pooled;
      const actual = await run(wanted, {
        ids: BigInt64Array.from(ids.data, BigInt),
        end: endPositions(config, rows),
      });
      expect(
        difference(actual['penultimate']!, f.tensor(which === 0 ? 'penultimate' : 'penultimate_2')),
      ).toBeLessThan(1e-4);
      if (which === 1) expect(difference(actual['pooled']!, f.tensor('pooled_2'))).toBeLessThan(1e-4);
    },
  );
});

describe('UNet', () => {
  it.each(['', 'odd.'])('predicts what diffusers predicts (%s)', async (prefix) => {
    const f = await readFixture('unet');
    const [batch, , height, width] = f.tensor(`${prefix}sample`).shape as [number, number, number, number];
    const tokens = f.tensor(`${prefix}encoder_hidden_states`).shape[1]!;
    const { config, tensors } = model.unet;
    const inputs = unetInputs(config, batch, height, width, tokens);
    const prediction = unet(config, frozenParameters('unet', tensors), inputs);
    const actual = await run(
      { prediction },
      {
        ...feed(
          ['latents', f.tensor(`${prefix}sample`)],
          ['encoder_hidden_states', f.tensor(`${prefix}encoder_hidden_states`)],
          ['text_embeds', f.tensor(`${prefix}text_embeds`)],
        ),
        timesteps: f.tensor(`${prefix}timesteps`).data,
        time_ids: f.tensor(`${prefix}time_ids`).data,
      },
    );
    expect(difference(actual['prediction']!, f.tensor(`${prefix}output`))).toBeLessThan(1e-4);
  });

  it.each([false, true])(
    'has the gradients of torch autograd for every parameter (checkpointing: %s)',
    async (checkpointing) => {
      const f = await readFixture('gradients-unet');
      const batch = await readFixture('kronecker-4x2');
      const [count, , height, width] = batch.tensor('latents').shape as [number, number, number, number];
      const { config } = model.unet;
      const inputs = unetInputs(
        config,
        count,
        height,
        width,
        batch.tensor('encoder_hidden_states').shape[1]!,
      );
      const shapes = parametersOf((p) => unet(config, p, inputs));
      const parameters = new Map(shapes.map(({ name, shape }) => [name, op.input(`p.${name}`, shape)]));
      const prediction = unet(config, givenParameters(parameters), inputs, { checkpointing });
      const noise = op.input('noise', batch.tensor('noise').shape);
      const loss = op.mean(op.square(op.sub(prediction, noise)));
      const stored = frozenParameters('unet', model.unet.tensors);
      const values = await run(
        Object.fromEntries(shapes.map(({ name, shape }) => [name, stored.tensor(name, shape)])),
        {},
      );
      const found = gradients(loss, [...parameters.values()]);
      const actual = await run(
        { loss, ...Object.fromEntries(shapes.map(({ name }, i) => [name, found[i]!])) },
        {
          ...feed(
            ['latents', batch.tensor('noisy')],
            ['noise', batch.tensor('noise')],
            ['encoder_hidden_states', batch.tensor('encoder_hidden_states')],
            ['text_embeds', batch.tensor('text_embeds')],
          ),
          timesteps: batch.tensor('timesteps').data,
          time_ids: batch.tensor('time_ids').data,
          ...Object.fromEntries(shapes.map(({ name }) => [`p.${name}`, values[name]!])),
        },
      );
      expect(relative(actual['loss']!, f.tensor('loss'), 1)).toBeLessThan(1e-5);
      const wanted = f.names.filter((key) => key.startsWith('grad.') && !key.startsWith('grad.input.'));
      expect(shapes.map(({ name }) => `grad.${name}`).sort()).toEqual(wanted.sort());
      for (const { name } of shapes) {
        expect(relative(actual[name]!, f.tensor(`grad.${name}`), 1e-3), name).toBeLessThan(1e-3);
      }
    },
  );
});

describe('VAE', () => {
  it('encodes and decodes as diffusers does', async () => {
    const f = await readFixture('vae');
    const { config, tensors } = model.vae;
    const p = frozenParameters('vae', tensors);
    const { mean, logvar } = vaeEncoder(config, p, op.input('image', f.tensor('image').shape));
    const decoded = vaeDecoder(config, p, op.input('latents', f.tensor('latents').shape));
    const actual = await run(
      { mean, logvar, decoded },
      feed(['image', f.tensor('image')], ['latents', f.tensor('latents')]),
    );
    for (const name of ['mean', 'logvar', 'decoded']) {
      expect(difference(actual[name]!, f.tensor(name)), name).toBeLessThan(1e-4);
    }
  });

  it('has the gradients of torch autograd for every parameter', async () => {
    const f = await readFixture('gradients-vae');
    const { config } = model.vae;
    const image = op.input('image', f.tensor('image').shape);
    const forward = (p: Parameters<typeof vaeEncoder>[1]): Tensor =>
      vaeDecoder(config, p, vaeEncoder(config, p, image).mean);
    const shapes = parametersOf(forward);
    const parameters = new Map(shapes.map(({ name, shape }) => [name, op.input(`p.${name}`, shape)]));
    const loss = op.mean(op.square(op.sub(forward(givenParameters(parameters)), image)));
    const found = gradients(loss, [...parameters.values()]);
    const stored = frozenParameters('vae', model.vae.tensors);
    const values = await run(
      Object.fromEntries(shapes.map(({ name, shape }) => [name, stored.tensor(name, shape)])),
      {},
    );
    const actual = await run(
      { loss, ...Object.fromEntries(shapes.map(({ name }, i) => [name, found[i]!])) },
      {
        ...feed(['image', f.tensor('image')]),
        ...Object.fromEntries(shapes.map(({ name }) => [`p.${name}`, values[name]!])),
      },
    );
    expect(relative(actual['loss']!, f.tensor('loss'), 1)).toBeLessThan(1e-5);
    for (const { name } of shapes) {
      expect(relative(actual[name]!, f.tensor(`grad.${name}`), 1e-3), name).toBeLessThan(1e-3);
    }
  });
});
