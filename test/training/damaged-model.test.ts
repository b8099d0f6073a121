/** A number that is NaN or infinite in a model's file: training names the tensor, and no rate or photo that is not to blame. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

let folder: string;
let photos: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-damaged-'));
  photos = await makePhotos(join(folder, 'photos'), 1);
});
afterAll(() => rm(folder, { recursive: true }));

it.each([
  ['text_encoder', 'model', /fc1\.weight$/, /^The training gave/],
  ['unet', 'diffusion_pytorch_model', /^mid_block.*to_v\.weight$/, /^The training gave/],
  ['vae', 'diffusion_pytorch_model', /^quant_conv\.bias$/, /^Encoding photo-0\.png by the VAE gave/],
])('in the %s', async (part, file, wanted, said) => {
  const model = join(folder, part);
  await cp(tinyFolder('sd15'), model, { recursive: true });
  const path = join(model, part, `${file}.safetensors`);
  const { tensors } = await openSafetensors(path);
  const [name, { dtype, offset, length }] = [...tensors].find(([each]) => wanted.test(each))!;
  expect(dtype).toBe('F16');
  const bytes = await readFile(path);
  // The last number: of quant_conv, one of the deviations.
  bytes.writeUInt16LE(0x7e00, offset + length - 2);
  await writeFile(path, bytes);
  const run = { ...tinyRun(photos, join(folder, `${part}.safetensors`)), model, a1: 2, steps: 1 };
  const error = await trainAdapter(run).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'RESULT_NOT_FINITE' });
  const { message } = error as Error;
  expect(message).toMatch(said);
  expect(message).toMatch(`because the model's ${part} holds such numbers in `);
  expect(message).toContain(`${name}. Download`);
});
