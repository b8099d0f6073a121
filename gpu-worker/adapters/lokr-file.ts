/**
 * @file Kronecker adapters as LoKr .safetensors files, which ComfyUI, the web UIs and LyCORIS read: for each
 * projection `lokr_w1` = A and `lokr_w2` = B with ΔW = A ⊗ B, A on the left. Not the authors' original files:
 * those hold a row-permuted product. Format: LyCORIS `lycoris/modules/lokr.py`, kohya's metadata keys.
 */
import { KronaError } from '../../core/errors.ts';
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import { isKronecker } from './adapter.ts';
import type { AdapterBase } from './adapter-base.ts';
import { adapterMetadata, FAMILIES, type AdapterInfo, type Family } from './adapter-info.ts';
import type { KroneckerFactors, KroneckerLayers } from './krona.ts';
import { moduleNames } from './module-names.ts';
import { openAdapter, readOpened } from './read-adapter.ts';
import type { BlockLayers } from './unet-layers.ts';

export type { AdapterBase } from './adapter-base.ts';
export { adapterInfo, type AdapterInfo } from './adapter-info.ts';
export type { KroneckerFactors, KroneckerLayers } from './krona.ts';

export interface LokrFile {
  readonly layers: KroneckerLayers;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Widths of a LoKr file's numbers. */
export type FileDtype = 'F32' | 'F16';

/**
 * Writes an adapter; the same one gives the same bytes, so no date is in it.
 *
 * @param base layers_per_block of the UNet, for the names of its blocks
 * @param dtype F16 halves the file and rounds the factors
 * @throws KronaError DISK_FULL, FILE_UNWRITABLE
 */
export async function writeLokr(
  path: string,
  layers: KroneckerLayers,
  base: BlockLayers,
  info: AdapterInfo,
  dtype: FileDtype = 'F32',
  family: Family = 'sdxl',
): Promise<void> {
  const { a1, a2 } = info;
  const metadata = adapterMetadata(info, base, family, {
    module: 'lycoris.kohya',
    // A rank that means "both factors whole" to LyCORIS; its factor is one number, so only square A has one.
    dim: '100000',
    alpha: '1',
    args: {
      algo: 'lokr',
      preset: 'attn-only',
      factor: a1 !== undefined && a1 === a2 ? String(a1) : '-1',
      full_matrix: 'True',
    },
  });
  await writeSafetensors(path, lokrTensors(layers, base, family, dtype), metadata);
}

/** The tensors of a LoKr file, by name. */
export function lokrTensors(
  layers: KroneckerLayers,
  base: BlockLayers,
  family: Family,
  dtype: FileDtype,
): Map<string, TensorToWrite> {
  const nameOf = moduleNames(layers.keys(), base, FAMILIES[family].style);
  const tensors = new Map<string, TensorToWrite>();
  for (const [module, { a1, a2, b1, b2, kernel, a, b }] of layers) {
    const name = nameOf(module);
    tensors.set(`${name}.lokr_w1`, { dtype, shape: [a1, a2], data: a });
    tensors.set(`${name}.lokr_w2`, { dtype, shape: [b1, b2, ...(kernel ?? [])], data: b });
    // Loaders ignore alpha when both factors are whole, but LyCORIS and kohya require one, and one version of
    // ComfyUI divides it by floor(b1/a1): this value means a scale of 1 to all of them. 0 would break some.
    const alpha = Math.floor(b1 / a1);
    if (alpha >= 1)
      tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], data: new Float32Array([alpha]) });
  }
  return tensors;
}

/**
 * Reads a LoKr file of any program for a model: factors given as low-rank products are multiplied out, with
 * their scale alpha/rank in A. (With both factors whole the scale is 1 whatever alpha says, as in all loaders.)
 *
 * @throws KronaError as readAdapter; ADAPTER_FORMAT_UNSUPPORTED when it is another kind of adapter
 */
export async function readLokr(path: string, base: AdapterBase): Promise<LokrFile> {
  const adapter = await openAdapter(path, base.layers);
  const { layers, metadata } = await readOpened(adapter, base);
  const factors = new Map<string, KroneckerFactors>();
  for (const [module, layer] of layers) {
    if (!isKronecker(layer))
      throw new KronaError(
        'ADAPTER_FORMAT_UNSUPPORTED',
        `${adapter.file.name} holds more than LoKr: ${module} is changed otherwise.`,
      );
    factors.set(module, layer);
  }
  return { layers: factors, metadata };
}
