/**
 * @file Full fine-tunings as difference files: `diff`, `diff_b` of matrices and convolutions, `w_norm`, `b_norm` of
 * norms (LyCORIS `lycoris/modules/full.py`, `norms.py`), which LyCORIS, ComfyUI and the web UIs open as they open LoRAs.
 * Not a UNet's weights: those would tie the result to one file of the base and leave it without a strength.
 */
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import { adapterMetadata, FAMILIES, type AdapterInfo, type Family } from './adapter-info.ts';
import type { Difference } from './full.ts';
import type { FileDtype } from './lokr-file.ts';
import { moduleNames } from './module-names.ts';
import type { BlockLayers } from './unet-layers.ts';

/** @param layers by parameter name @throws KronaError DISK_FULL, FILE_UNWRITABLE */
export async function writeDifference(
  path: string,
  layers: ReadonlyMap<string, Difference>,
  base: BlockLayers,
  info: AdapterInfo,
  dtype: FileDtype = 'F32',
  family: Family = 'sdxl',
): Promise<void> {
  const module = (name: string): string => name.replace(/\.(?:weight|bias)$/, '');
  const nameOf = moduleNames([...layers.keys()].map(module), base, FAMILIES[family].style);
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, { shape, delta }] of layers) {
    const weight = layers.get(`${module(name)}.weight`);
    const norm = weight?.shape.length === 1;
    const part = name.endsWith('.bias') ? (norm ? 'b_norm' : 'diff_b') : norm ? 'w_norm' : 'diff';
    tensors.set(`${nameOf(module(name))}.${part}`, { dtype, shape, data: delta });
  }
  const metadata = adapterMetadata(info, base, family, {
    module: 'lycoris.kohya',
    dim: '1',
    alpha: '1',
    args: { algo: 'full', preset: 'full', train_norm: 'True' },
  });
  await writeSafetensors(path, tensors, metadata);
}
