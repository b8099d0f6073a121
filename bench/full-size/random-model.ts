/**
 * @file Full-size models with random weights, because the published ones can't be downloaded here: created once, then
 * kept.
 */
import { at } from '../../core/at.ts';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../../core/files.ts';
import { writeFullSizeFolder, type Fill } from '../../test/helpers/full-size-folder.ts';

export type ModelName = 'sd15' | 'sdxl';

/**
 * The folder of a model under `root`, created if missing: 4.1 GiB for SD 1.5, 13.2 GiB for SDXL. Every part is the same
 * on every machine.
 */
export async function randomModel(name: ModelName, root: string): Promise<string> {
  const path = join(root, name);
  if (await exists(path)) return path;
  // Written under a temporary name, so that an interrupted folder doesn't pass for a model.
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await writeFullSizeFolder(name, unfinished, fillRandom);
  await rename(unfinished, path);
  return path;
}

/**
 * Uniform numbers of variance 1/fan-in, so that every layer keeps the scale of its input; norms start at one, biases at
 * zero.
 */
const fillRandom: Fill = async (file, offset, shapes) => {
  let state = 0x9e3779b9;
  let position = offset;
  for (const [name, shape] of Object.entries(shapes)) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (shape.length > 1) {
      const bound = Math.sqrt(3 / (values.length / at(shape, 0)));
      const step = bound / 2 ** 31;
      for (let i = 0; i < values.length; i++) {
        // Xorshift (Marsaglia 2003): fast, and good enough for random weights.
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        values[i] = state * step;
      }
    } else if (name.endsWith('.weight')) values.fill(1);
    await file.write(new Uint8Array(values.buffer), 0, values.byteLength, position);
    position += values.byteLength;
  }
};
