/** @file Identifies a model without reading gigabytes. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { ModelFolder } from './model-folder.ts';

/** Bytes read of each tensor; any training changes them. */
const SAMPLE_BYTES = 256;

/**
 * Lower-case hex SHA-256 over the name, dtype, shape and first bytes of every UNet tensor. Equal for copies of the same
 * weights, however they are sharded; different for another precision. Not proof against forgery.
 */
export async function modelFingerprint(model: ModelFolder): Promise<string> {
  const hash = createHash('sha256');
  const files = new Map<string, FileHandle>();
  try {
    for (const [name, tensor] of [...model.unet.tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
      let file = files.get(tensor.path);
      if (file === undefined) files.set(tensor.path, (file = await open(tensor.path, 'r')));
      const bytes = Buffer.alloc(Math.min(SAMPLE_BYTES, tensor.length));
      await file.read(bytes, 0, bytes.length, tensor.offset);
      hash.update(`${name} ${tensor.dtype} ${tensor.shape.join('x')} `).update(bytes);
    }
  } finally {
    for (const file of files.values()) await file.close();
  }
  return hash.digest('hex');
}
