/** @file Opens a model in either format: a diffusers folder, or a single file with the original tensor names. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { openModelFolder, type ModelFolder } from './model-folder.ts';
import { openSingleFile } from './single-file/open-single-file.ts';

/**
 * @param path a folder as diffusers saves it, or a .safetensors file
 * @throws KronaError as openModelFolder and openSingleFile; MODEL_NOT_FOUND, MODEL_PICKLE
 */
export async function openModel(path: string): Promise<ModelFolder> {
  const found = await stat(path).catch(() => null);
  if (found === null)
    throw new KronaError(
      'MODEL_NOT_FOUND',
      `There is no model ${basename(path)}; give a folder with a model_index.json, or a .safetensors file.`,
    );
  if (found.isDirectory()) return openModelFolder(path);
  if (/\.(ckpt|bin|pt|pth|pkl)$/i.test(path))
    throw new KronaError(
      'MODEL_PICKLE',
      `${basename(path)} is a Python pickle, which may run code when it is loaded; convert it to .safetensors first, or download that form.`,
    );
  return openSingleFile(path);
}
