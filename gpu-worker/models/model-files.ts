/**
 * @file Finds and opens the weight files of one component folder (unet/, vae/, text_encoder/) in diffusers' and
 * transformers' layout: one file, a variant of it (`.fp16.`), or shards with an index. weight-files.ts chooses.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeError, KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { openSafetensors, type StoredTensor } from './safetensors.ts';
import { readSmallFile, VOCABULARY_BYTES } from './small-file.ts';
import { shardFiles, weightFiles } from './weight-files.ts';

const PICKLE = /\.(bin|ckpt|pt|pth)$/;

/** Python writes infinite numbers, such as a scheduler's lambda_min_clipped, which JSON doesn't have. */
const PYTHON_NUMBER = /([:[,]\s*)(?:-?Infinity|NaN)(?=\s*[,}\]])/g;

/**
 * The JSON object in `folder/file`.
 * @param most bytes of the file; those of a config by default
 * @throws KronaError MODEL_FILE_MISSING, MODEL_CONFIG_INVALID, FILE_TOO_LARGE
 */
export async function readJson(
  folder: string,
  file: string,
  most?: number,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await readSmallFile(join(folder, file), most);
  if (text === null)
    throw new KronaError(
      'MODEL_FILE_MISSING',
      `The model folder has no readable ${file}. Download it again: \`krona model pull\` gets every file that is needed.`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text.replace(PYTHON_NUMBER, '$1null'));
  } catch (error) {
    throw new KronaError(
      'MODEL_CONFIG_INVALID',
      `${file} is not JSON. Download the file again: it is cut off, or an error page was saved instead.`,
      { cause: error },
    );
  }
  if (!isJsonObject(json))
    throw new KronaError('MODEL_CONFIG_INVALID', `${file} holds no JSON object. Download the file again.`);
  return json;
}

/** Says why a folder without model_index.json isn't a model, from its contents, and what to use instead. */
export async function noModelFolder(folder: string): Promise<KronaError> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.map(({ name }) => name).sort();
  const whole: string[] = [];
  for (const name of names) if (await exists(join(folder, name, 'model_index.json'))) whole.push(name);
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  const pickles = names.filter((name) => PICKLE.test(name));
  const listed = (found: readonly string[]) => found.slice(0, 5).join(', ') + (found.length > 5 ? ', …' : '');
  const says =
    entries.length === 0
      ? 'is empty. Download a model into it with `krona model pull`'
      : whole.length > 0
        ? `has no model_index.json, but ${listed(whole)} has one: give that folder`
        : names.includes('config.json')
          ? 'has a config.json and no model_index.json, so it is one part of a model: give the folder above, which holds ' +
            'unet/, vae/ and the text encoders'
          : weights.length > 0
            ? `has no model_index.json, but single files: ${listed(weights)}. Give one of them, such as ` +
              join(basename(folder), ...weights.slice(0, 1))
            : pickles.length > 0
              ? `has no model_index.json, and ${listed(pickles)} is a Python pickle, which may run code when loaded: ` +
                'convert it to .safetensors and give that file'
              : `has no readable model_index.json; in it are ${listed(names)}. Give a folder that diffusers saved, or a ` +
                '.safetensors file';
  return new KronaError('MODEL_FILE_MISSING', `The folder ${basename(folder)} ${says}.`);
}

/**
 * All tensors of a component, by their names in the files.
 *
 * @param component folder inside `folder`, e.g. `unet`
 * @throws KronaError MODEL_FILE_MISSING, MODEL_INDEX_INVALID, and those of openSafetensors
 */
export async function componentTensors(
  folder: string,
  component: string,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const found = await readdir(join(folder, component)).catch((): string[] => []);
  const [choice] = weightFiles(found);
  if (choice?.kind === 'file') return openPart(folder, component, choice.name);
  if (choice?.kind === 'index') return shards(folder, component, choice.name);
  const pickles = found.filter((file) => PICKLE.test(file));
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
  for (const [name, file] of shardFiles(where, await readJson(folder, where, VOCABULARY_BYTES))) {
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
    throw KronaError.reported({ code, message: `${component}/${message}` }, { cause: error });
  }
}
