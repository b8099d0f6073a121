/**
 * @file Starting values from an earlier model, so that more concepts, styles or hours continue from its weights. A
 * parameter is taken if name and shape match; token embeddings are taken token by token, because every list of concepts
 * has a different vocabulary.
 */
import { at } from '../../core/at.ts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import type { FlatLayout } from '../../gpu-worker/models/parameters.ts';
import { readFloats, type StoredTensor } from '../../gpu-worker/models/safetensors.ts';
import type { Vocabulary } from './bpe.ts';

const TOKENS = 'text_model.embeddings.token_embedding.weight';

/**
 * Overwrites starting values with the known ones and returns them.
 *
 * @param layout of `values`; with `prefix` in front, names begin with the part's folder (`unet.conv_in.weight`).
 */
export type StartingValues = (
  layout: FlatLayout,
  values: Float32Array,
  prefix: string,
) => Promise<Float32Array>;

/** Random starting values only. */
export const fromScratch: StartingValues = (_, values) => Promise.resolve(values);

/**
 * The model in a diffusers folder.
 *
 * @param vocabulary of the new model: token → row of the embeddings
 * @throws KronaError as openModelFolder
 */
export async function fromModel(folder: string, vocabulary: Vocabulary['vocab']): Promise<StartingValues> {
  const model = await openModelFolder(folder);
  const stored = new Map<string, StoredTensor>();
  for (const part of [...model.textEncoders, model.unet, model.vae]) {
    for (const [name, tensor] of part.tensors) stored.set(`${part.name}.${name}`, tensor);
  }
  const path = join(model.tokenizers[0].folder, 'vocab.json');
  const known = JSON.parse(await readFile(path, 'utf8')) as Vocabulary['vocab'];

  return async (layout, values, prefix) => {
    for (const { name, shape, offset } of layout.entries) {
      const tensor = stored.get(prefix + name);
      if (tensor === undefined) continue;
      if (name.endsWith(TOKENS) && tensor.shape[1] === shape[1]) {
        const width = at(shape, 1);
        const rows = await readFloats(tensor);
        for (const [token, row] of Object.entries(vocabulary)) {
          const from = known[token];
          if (from === undefined) continue;
          values.set(rows.subarray(from * width, (from + 1) * width), offset + row * width);
        }
      } else if (tensor.shape.join() === shape.join()) {
        values.set(await readFloats(tensor), offset);
      }
    }
    return values;
  };
}
