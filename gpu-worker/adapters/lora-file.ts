/**
 * @file LoRAs as .safetensors files: with kohya's names (`lora_down`, `lora_up`, `alpha`), which ComfyUI, the web UIs,
 * kohya's trainer and diffusers read, or with diffusers' own (`unet.….lora_A`), which PEFT knows too.
 */
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import { adapterMetadata, FAMILIES, type AdapterInfo, type Family } from './adapter-info.ts';
import type { FileDtype } from './lokr-file.ts';
import type { LowRankFactors } from './lora.ts';
import { moduleNames } from './module-names.ts';
import type { BlockLayers } from './unet-layers.ts';

/** By module path. */
export type LowRankLayers = ReadonlyMap<string, LowRankFactors>;

/** Writes a LoRA with kohya's names; the same one gives the same bytes. @throws KronaError DISK_FULL, FILE_UNWRITABLE */
export async function writeLora(
  path: string,
  layers: LowRankLayers,
  base: BlockLayers,
  info: AdapterInfo,
  dtype: FileDtype = 'F32',
  family: Family = 'sdxl',
): Promise<void> {
  const { rank = 0, alpha = rank } = info;
  const metadata = adapterMetadata(info, base, family, {
    module: 'networks.lora',
    dim: String(rank),
    alpha: String(alpha),
  });
  await writeSafetensors(path, kohyaTensors(layers, base, family, dtype), metadata);
}

/** `NAME.lora_down.weight` [rank, in], `NAME.lora_up.weight` [out, rank] and `NAME.alpha`. */
export function kohyaTensors(
  layers: LowRankLayers,
  base: BlockLayers,
  family: Family,
  dtype: FileDtype,
): Map<string, TensorToWrite> {
  const nameOf = moduleNames(layers.keys(), base, FAMILIES[family].style);
  const tensors = new Map<string, TensorToWrite>();
  for (const [module, { rank, out, in: inputs, kernel, scale, down, up }] of layers) {
    const name = nameOf(module);
    const points = kernel ? [1, 1] : [];
    tensors.set(`${name}.lora_down.weight`, { dtype, shape: [rank, inputs, ...(kernel ?? [])], data: down });
    tensors.set(`${name}.lora_up.weight`, { dtype, shape: [out, rank, ...points], data: up });
    const alpha = new Float32Array([scale * rank]);
    tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], data: alpha });
  }
  return tensors;
}

/**
 * `unet.PATH.lora_A.weight`, `unet.PATH.lora_B.weight`, or those names after another prefix. These have no alpha: the
 * scale goes into B, which rounds where it is no power of two.
 *
 * @param named the name of a path
 */
export function peftTensors(
  layers: LowRankLayers,
  named: (path: string) => string,
  dtype: FileDtype,
): Map<string, TensorToWrite> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [module, { rank, out, in: inputs, kernel, scale, down, up }] of layers) {
    const points = kernel ? [1, 1] : [];
    const scaled = scale === 1 ? up : up.map((value) => value * scale);
    tensors.set(`${named(module)}.lora_A.weight`, {
      dtype,
      shape: [rank, inputs, ...(kernel ?? [])],
      data: down,
    });
    tensors.set(`${named(module)}.lora_B.weight`, { dtype, shape: [out, rank, ...points], data: scaled });
  }
  return tensors;
}

/** A path as diffusers' LoRA files have it. */
export const diffusersName = (path: string): string =>
  path.startsWith('text_encoder') ? path : `unet.${path}`;
