/** @file The published models at full size as files: true names and shapes, and weights that the caller makes up. */
import { cp, mkdir, open, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TINY_MODEL } from './fixtures.ts';
import { readFullSize, type TinyName } from './sd-fixtures.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;
const WIDTH = { F16: 2, F32: 4 };

/** Writes the bytes of every tensor, in order from `offset`. */
export type Fill = (file: FileHandle, offset: number, shapes: Shapes) => Promise<void>;

/** A hole in the place of all weights. */
const hole: Fill = async () => {};

/** A .safetensors file of these tensors. */
export async function writeWeights(
  path: string,
  shapes: Shapes,
  dtype: keyof typeof WIDTH,
  fill: Fill = hole,
): Promise<void> {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const begin = end;
    end += shape.reduce((a, b) => a * b, 1) * WIDTH[dtype];
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([length, json]));
    await fill(file, 8 + json.length, shapes);
    await file.truncate(8 + json.length + end);
  } finally {
    await file.close();
  }
}

/** A UNet in place of a model's own. */
export interface OtherUnet {
  readonly shapes: Shapes;
  readonly config: Readonly<Record<string, unknown>>;
}

/** A folder as StableDiffusionPipeline and its kin save themselves, in float32. */
export async function writeFullSizeFolder(
  name: TinyName,
  path: string,
  fill: Fill = hole,
  unet?: OtherUnet,
): Promise<void> {
  const model = readFullSize()[name];
  const parts: typeof model.folder = { ...model.folder, ...(unet && { unet: unet.shapes }) };
  const configs: typeof model.configs = { ...model.configs, ...(unet && { unet: unet.config }) };
  const pipeline = name === 'refiner' ? 'XLImg2Img' : name === 'sdxl' ? 'XL' : '';
  const text = (part: string) => {
    if (!(part in parts)) return [null, null];
    return ['transformers', part === 'text_encoder_2' ? 'CLIPTextModelWithProjection' : 'CLIPTextModel'];
  };
  await mkdir(join(path, 'scheduler'), { recursive: true });
  await writeFile(
    join(path, 'model_index.json'),
    JSON.stringify({
      _class_name: `StableDiffusion${pipeline}Pipeline`,
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      text_encoder: text('text_encoder'),
      text_encoder_2: text('text_encoder_2'),
      ...(name === 'refiner' ? { requires_aesthetics_score: true } : {}),
    }),
  );
  await writeFile(join(path, 'scheduler/scheduler_config.json'), '{"_class_name": "DDIMScheduler"}');
  for (const [part, shapes] of Object.entries(parts)) {
    const isText = part.startsWith('text');
    const file = join(path, part, `${isText ? '' : 'diffusion_pytorch_'}model.safetensors`);
    await writeWeights(file, shapes, 'F32', fill);
    await writeFile(join(path, part, 'config.json'), JSON.stringify(configs[part]));
    // The tiny vocabulary numbers fewer tokens than the models know, which is no harm.
    if (isText)
      await cp(join(TINY_MODEL, 'tokenizer'), join(path, part.replace('text_encoder', 'tokenizer')), {
        recursive: true,
      });
  }
}
