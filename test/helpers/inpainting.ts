/** @file The tiny models with UNets of 9 channels (test/fixtures/inpainting), as folders and as single files. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { componentTensors } from '../../gpu-worker/models/model-files.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type StoredTensor,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { readFixture } from './fixtures.ts';
import { tinyFolder, tinySingleFile } from './sd-fixtures.ts';

export type InpaintingName = 'sd15' | 'sdxl';

/** The tensors of a UNet with the first layer's weight of 9 channels in place of its own. */
async function widened(
  name: InpaintingName,
  tensors: Iterable<readonly [string, StoredTensor]>,
  first: string,
): Promise<Map<string, TensorToWrite>> {
  const { tensor } = await readFixture('runs', 'inpainting');
  const written = new Map<string, TensorToWrite>();
  for (const [key, stored] of tensors)
    if (['F32', 'F16', 'BF16'].includes(stored.dtype))
      written.set(key, { dtype: 'F32', shape: stored.shape, data: await readFloats(stored) });
  written.set(first, { dtype: 'F32', ...tensor(`${name}.conv_in.weight`) });
  return written;
}

async function changeJson(path: string, fields: Record<string, unknown>): Promise<void> {
  const known = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...known, ...fields }));
}

/** Writes a diffusers folder as those of runwayml/stable-diffusion-inpainting are. */
export async function writeInpainting(name: InpaintingName, to: string): Promise<string> {
  await cp(tinyFolder(name), to, { recursive: true });
  const unet = await widened(name, await componentTensors(to, 'unet'), 'conv_in.weight');
  const file = join(to, 'unet/diffusion_pytorch_model.safetensors');
  await rm(file);
  await writeSafetensors(file, unet);
  await changeJson(join(to, 'unet/config.json'), { in_channels: 9 });
  const kind = name === 'sd15' ? 'StableDiffusionInpaintPipeline' : 'StableDiffusionXLInpaintPipeline';
  await changeJson(join(to, 'model_index.json'), { _class_name: kind });
  return to;
}

/** Writes a single file as sd-v1-5-inpainting is. */
export async function writeInpaintingFile(name: InpaintingName, to: string): Promise<string> {
  const { tensors } = await openSafetensors(tinySingleFile(name));
  const first = 'model.diffusion_model.input_blocks.0.0.weight';
  await writeSafetensors(to, await widened(name, tensors, first));
  return to;
}
