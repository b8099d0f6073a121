/** AutoencoderTiny (TAESD) computes what diffusers computes (test/fixtures/distilled/taesd). */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf } from '../../gpu-worker/graph/shapes.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import {
  openTinyAutoencoder,
  openTinyDecoder,
  tinyAutoencoderConfig,
  tinyAutoencoderParameters,
  tinyDecoder,
  tinyEncoder,
} from '../../gpu-worker/models/tiny-autoencoder.ts';
import { worstError } from '../helpers/fixtures.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/distilled/taesd');

async function reference(key: string) {
  const stored = (await openSafetensors(join(FOLDER, 'reference.safetensors'))).tensors.get(key)!;
  return { shape: stored.shape, data: await readFloats(stored) };
}

it('encodes and decodes as diffusers does', async () => {
  const { name, config, tensors } = await openTinyAutoencoder(FOLDER);
  const p = frozenParameters(name, tensors);
  const [image, latents] = [await reference('image'), await reference('latents')];
  const outputs = await runOnce(
    compile({
      encoded: tinyEncoder(config, p, op.input('image', image.shape)),
      decoded: tinyDecoder(config, p, op.input('latents', latents.shape)),
    }),
    { image: image.data, latents: latents.data },
  );
  for (const key of ['encoded', 'decoded'] as const)
    expect(worstError(outputs[key], (await reference(key)).data), key).toBeLessThan(1e-4);
  const decoder = await openTinyDecoder({ name, config, tensors }, 32, 24);
  expect(worstError(await decoder.decode(latents.data), (await reference('decoded')).data)).toBeLessThan(
    1e-4,
  );
  await decoder.release();
});

it('has the 2,445,063 parameters of TAESD by default', () => {
  const shapes = tinyAutoencoderParameters(tinyAutoencoderConfig('config.json', {}));
  expect(shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(2_445_063);
});

it('says what another autoencoder or an incomplete one lacks', async () => {
  await expect(openTinyAutoencoder(join(FOLDER, 'none'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  const folder = await mkdtemp(join(tmpdir(), 'krona-taesd-'));
  await cp(FOLDER, folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  const put = (fields: object) =>
    writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...fields }));
  await put({ _class_name: 'AutoencoderKL' });
  await expect(openTinyAutoencoder(folder)).rejects.toThrow(/supported: "AutoencoderTiny"/);
  await put({ num_decoder_blocks: [2, 1, 2, 3] });
  await expect(openTinyAutoencoder(folder)).rejects.toMatchObject({ code: 'MODEL_TENSOR_MISSING' });
  await rm(folder, { recursive: true });
});
