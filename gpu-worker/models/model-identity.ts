/** @file Tells whether two models compute the same, by what their files hold and not by where they lie. */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfAny } from '../../core/files.ts';
import type { ModelFolder } from './model-folder.ts';
import type { ModelTensor } from './parameters.ts';

/** Of each tensor as many bytes are read, in pieces from its start to its end: a full read of SDXL takes a minute. */
const SAMPLE_BYTES = 2 ** 20;
const PIECE_BYTES = 2 ** 12;

/** Every file that decides how a text becomes ids. CLIP's own vocabulary, which comes with Krona, is known by having none. */
const TOKENIZER_FILES = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'added_tokens.json',
  'special_tokens_map.json',
  'tokenizer_config.json',
];

/**
 * Lower-case hex SHA-256 of each part with its config, and of the scheduler's config and the tokenizers. Equal for copies of
 * a model at other paths; another when the part was trained, replaced or stored in another precision. Not proof against
 * forgery.
 */
export async function modelIdentity(model: ModelFolder): Promise<Readonly<Record<string, string>>> {
  const identity: Record<string, string> = {};
  for (const { name, config, tensors } of [...model.textEncoders, model.unet, model.vae]) {
    const hash = createHash('sha256').update(JSON.stringify(config));
    await addTensors(hash, tensors);
    identity[name] = hash.digest('hex');
  }
  const facts = [model.architecture, model.scheduler, model.forceZerosForEmptyPrompt];
  identity['scheduler'] = createHash('sha256').update(JSON.stringify(facts)).digest('hex');
  const tokenizer = createHash('sha256');
  for (const { folder, pad } of model.tokenizers)
    for (const file of TOKENIZER_FILES)
      tokenizer.update(JSON.stringify([pad, file, await readFileIfAny(join(folder, file))]));
  return { ...identity, tokenizer: tokenizer.digest('hex') };
}

async function addTensors(hash: Hash, tensors: ReadonlyMap<string, ModelTensor>): Promise<void> {
  const files = new Map<string, FileHandle>();
  try {
    for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { path, dtype, shape, offset, length, transposed = false } = tensor;
      let file = files.get(path);
      if (file === undefined) files.set(path, (file = await open(path, 'r')));
      hash.update(JSON.stringify([name, dtype, shape, transposed]));
      for (const [from, size] of sampled(length)) {
        const bytes = Buffer.alloc(size);
        await file.read(bytes, 0, size, offset + from);
        hash.update(bytes);
      }
    }
  } finally {
    for (const file of files.values()) await file.close();
  }
}

/** Offset and size of each piece to read: one for a small tensor, else pieces evenly spread, the last at the end. */
function sampled(length: number): (readonly [from: number, size: number])[] {
  if (length <= SAMPLE_BYTES) return [[0, length]];
  const pieces = SAMPLE_BYTES / PIECE_BYTES;
  const apart = (length - PIECE_BYTES) / (pieces - 1);
  return Array.from({ length: pieces }, (_, n) => [Math.floor(n * apart), PIECE_BYTES]);
}
