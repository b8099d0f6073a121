/**
 * @file Writes a trained adapter as a .safetensors file of its form's kind, with kohya's names and metadata, which
 * ComfyUI, the web UIs and the trainers read.
 */
import type { ModelFolder } from '../../models/model-folder.ts';
import { basename } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import { writeSafetensors, type TensorToWrite } from '../../models/safetensors.ts';
import type { AdapterLayers } from '../adapter.ts';
import type { FileDtype, FileTensors } from '../forms/form.ts';
import { adapterMetadata, FAMILIES, familyOf, type AdapterInfo, type Family } from './adapter-info.ts';
import { moduleNames } from './module-names.ts';
import type { BlockLayers } from './unet-layers.ts';

/** How a file names the modules of its base. */
export interface Naming {
  /** layers_per_block of the UNet. */
  readonly base: BlockLayers;
  readonly family: Family;
}

/**
 * Writes an adapter; the same one gives the same bytes, so it has no date.
 *
 * @param layers all of one form
 * @param dtype F16 halves the file and rounds the numbers; F32 by default
 * @throws KronaError as writeTensors
 */
export async function writeAdapter(
  path: string,
  layers: AdapterLayers,
  { unet, architecture }: ModelFolder,
  info: AdapterInfo,
  dtype: FileDtype = 'F32',
): Promise<void> {
  const [first] = layers.values();
  if (first === undefined) throw new TypeError('an adapter without layers');
  const naming = { base: unet.config.layers_per_block, family: familyOf(architecture) };
  const tensors = new Map([...layers].map(([key, layer]) => [key, layer.tensors(dtype)]));
  const metadata = adapterMetadata(info, naming.base, naming.family, first.form.network(info));
  await writeTensors(path, kohyaNamed(tensors, naming), metadata);
}

/** The largest number that rounds to a finite one in 16 bits. */
const MOST_HALF = 65_519;

/**
 * Writes an adapter's tensors.
 *
 * @throws KronaError ADAPTER_UNREPRESENTABLE if a number is NaN or infinite, or is in 16 bits; DISK_FULL, FILE_UNWRITABLE
 */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [name, { dtype, data }] of tensors) {
    const most = dtype === 'F16' ? MOST_HALF : Number.MAX_VALUE;
    if (data instanceof Float32Array && !data.every((value) => Math.abs(value) <= most))
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${basename(path)} would hold numbers in ${name} that are NaN or infinite in ${dtype}, so it was not written.`,
      );
  }
  await writeSafetensors(path, tensors, metadata);
}

/** Tensors by their modules' names in kohya's manner. @param layers by path, or by parameter */
export function kohyaNamed(
  layers: ReadonlyMap<string, FileTensors>,
  { base, family }: Naming,
): Map<string, TensorToWrite> {
  const module = (key: string): string => key.replace(/\.(?:weight|bias)$/, '');
  const nameOf = moduleNames([...layers.keys()].map(module), base, FAMILIES[family].style);
  return named(layers, (key) => nameOf(module(key)));
}

/** Tensors by the names that `nameOf` gives to modules' paths. */
export function named(
  layers: ReadonlyMap<string, FileTensors>,
  nameOf: (path: string) => string,
): Map<string, TensorToWrite> {
  return new Map(
    [...layers].flatMap(([path, tensors]) =>
      Object.entries(tensors).map(([end, tensor]) => [nameOf(path) + end, tensor] as const),
    ),
  );
}
