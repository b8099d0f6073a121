/** @file A model's files saved otherwise: in another dtype, under a variant's name, in shards. */
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { encodeHalf } from '../../gpu-worker/models/half.ts';
import { componentTensors } from '../../gpu-worker/models/model-files.ts';
import { openSafetensors, readFloats, type StoredTensor } from '../../gpu-worker/models/safetensors.ts';

export type SavedDtype = 'F32' | 'F16' | 'BF16';
export interface SavedForm {
  readonly dtype: SavedDtype;
  /** `fp16` in `model.fp16.safetensors`. */
  readonly variant?: string;
  /** With an index; one file unless given. */
  readonly shards?: number;
}

const FLOATS = ['F32', 'F16', 'BF16'];

/** A diffusers folder with the weights of every part saved again; the rest is copied. */
export async function resaveFolder(from: string, to: string, form: SavedForm): Promise<void> {
  await cp(from, to, { recursive: true });
  for (const part of await readdir(to)) {
    const files = (await readdir(join(to, part)).catch(() => [])).filter((name) =>
      name.includes('.safetensors'),
    );
    if (files.length === 0) continue;
    const tensors = [...(await componentTensors(from, part))];
    for (const name of files) await rm(join(to, part, name));
    const { dtype, variant, shards = 1 } = form;
    const stem = part.startsWith('text_encoder') ? 'model' : 'diffusion_pytorch_model';
    const end = `${variant === undefined ? '' : `.${variant}`}.safetensors`;
    if (shards === 1) {
      await saveTensors(join(to, part, stem + end), tensors, dtype);
      continue;
    }
    const weightMap: Record<string, string> = {};
    for (let shard = 0; shard < shards; shard++) {
      const own = tensors.filter((_, i) => i % shards === shard);
      const name = `${stem}-0000${shard + 1}-of-0000${shards}${end}`;
      for (const [key] of own) weightMap[key] = name;
      await saveTensors(join(to, part, name), own, dtype);
    }
    const index = { metadata: {}, weight_map: weightMap };
    await writeFile(join(to, part, `${stem}.safetensors.index.json`), JSON.stringify(index));
  }
}

/** A single file saved again, with what lies beside it: tokenizer and config. */
export async function resaveSingleFile(from: string, to: string, dtype: SavedDtype): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(dirname(from)))
    if (!name.endsWith('.safetensors'))
      await cp(join(dirname(from), name), join(to, name), { recursive: true });
  const file = await openSafetensors(from);
  await saveTensors(join(to, basename(from)), [...file.tensors], dtype);
}

/** Floats in `dtype`; anything else, as constant position ids are, is left out. */
async function saveTensors(
  path: string,
  tensors: readonly (readonly [string, StoredTensor])[],
  dtype: SavedDtype,
): Promise<void> {
  const header: Record<string, object> = {};
  const chunks: Buffer[] = [];
  let end = 0;
  for (const [name, tensor] of tensors) {
    if (!FLOATS.includes(tensor.dtype)) continue;
    const bytes = encoded(await readFloats(tensor), dtype);
    header[name] = { dtype, shape: tensor.shape, data_offsets: [end, (end += bytes.length)] };
    chunks.push(bytes);
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, ...chunks]));
}

function encoded(values: Float32Array, dtype: SavedDtype): Buffer {
  const whole = Buffer.from(
    Uint8Array.from(Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
  );
  if (dtype === 'F32') return whole;
  if (dtype === 'F16') return Buffer.from(encodeHalf(values).buffer);
  // bfloat16 is the upper half of a float's bits, rounded to even.
  const brain = Buffer.alloc(values.length * 2);
  for (let i = 0; i < values.length; i++) {
    const bits = whole.readUInt32LE(4 * i);
    brain.writeUInt16LE(((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff, 2 * i);
  }
  return brain;
}
