/**
 * @file What an earlier model learnt, as starting values of the next: more concepts, styles or hours begin on the same
 * weights. A parameter is taken where name and shape agree; token embeddings are taken token by token, since every
 * list of concepts makes a vocabulary of its own.
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
 * Overwrites starting values with what is known of them and returns them.
 *
 * @param layout of `values`; with `prefix` in front, names begin with the part's folder (`unet.conv_in.weight`).
 */
export type StartingValues = (
  layout: FlatLayout,
  values: Float32Array,
  prefix: string,
) => Promise<Float32Array>;

/** From nothing. */
export const fromScratch: StartingValues = (_, values) => Promise.resolve(values);

/**
 * From the model in a diffusers folder.
 *
 * @param vocabulary of the new model: token → row of the embeddings.
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
