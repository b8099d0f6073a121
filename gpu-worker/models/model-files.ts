/**
 * @file Finds and opens the weight files of one component folder (unet/, vae/, text_encoder/) as diffusers and
 * transformers lay them out: one file, a variant of it (`.fp16.`), or shards with an index. weight-files.ts chooses.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, KronaError } from '../../storage/errors.ts';
import { openSafetensors, type StoredTensor } from './safetensors.ts';
import { shardFiles, weightFiles } from './weight-files.ts';

/** The JSON object in `folder/file`. @throws KronaError MODEL_FILE_MISSING, MODEL_CONFIG_INVALID */
export async function readJson(folder: string, file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(join(folder, file), 'utf8');
  } catch (error) {
    throw new KronaError('MODEL_FILE_MISSING', `The model folder has no readable ${file}.`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new KronaError('MODEL_CONFIG_INVALID', `${file} is not JSON.`, { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new KronaError('MODEL_CONFIG_INVALID', `${file} holds no JSON object.`);
  return json as Record<string, unknown>;
}

/**
 * All tensors of a component by the names in its files.
 *
 * @param component folder below `folder`, e.g. `unet`
 * @throws KronaError MODEL_FILE_MISSING, MODEL_INDEX_INVALID, and those of openSafetensors
 */
export async function componentTensors(
  folder: string,
  component: string,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const found = await readdir(join(folder, component)).catch(() => [] as string[]);
  const [choice] = weightFiles(found);
  if (choice?.kind === 'file') return openPart(folder, component, choice.name);
  if (choice?.kind === 'index') return shards(folder, component, choice.name);
  const pickles = found.filter((file) => /\.(bin|ckpt|pt|pth)$/.test(file));
  throw new KronaError(
    'MODEL_FILE_MISSING',
    `${component}/ has no diffusion_pytorch_model.safetensors or model.safetensors (nor a .fp16 or sharded one)` +
      (pickles.length > 0
        ? `; ${pickles[0]} is a Python pickle, which may run code when loaded: convert it to .safetensors.`
        : '. Is the download complete?'),
  );
}

async function shards(folder: string, component: string, indexFile: string) {
  const where = `${component}/${indexFile}`;
  const files = new Map<string, ReadonlyMap<string, StoredTensor>>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, file] of shardFiles(where, await readJson(folder, where))) {
    let part = files.get(file);
    if (part === undefined) files.set(file, (part = await openPart(folder, component, file)));
    const tensor = part.get(name);
    if (tensor === undefined)
      throw new KronaError('MODEL_INDEX_INVALID', `${where} places ${name} in ${file}, which lacks it.`);
    tensors.set(name, tensor);
  }
  return tensors;
}

async function openPart(folder: string, component: string, file: string) {
  try {
    return (await openSafetensors(join(folder, component, file))).tensors;
  } catch (error) {
    const { code, message } = describeError(error);
    throw new KronaError(code, `${component}/${message}`, { cause: error });
  }
}
