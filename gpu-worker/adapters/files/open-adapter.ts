/**
 * @file Opens adapter files of every known kind as one form: ΔW of each module, with scales worked out. Rules of scale:
 * LoKr with whole factors has none, otherwise alpha/rank (LyCORIS); LoRA alpha/rank, 1 without alpha (kohya); PEFT's and
 * diffusers' by their configs; DiffuseKronA and differences have none.
 */
import { KronaError } from '../../../core/errors.ts';
import { sizeOf } from '../../graph/tensor.ts';
import {
  openSafetensors,
  readFloats,
  type SafetensorsFile,
  type StoredTensor,
} from '../../models/safetensors.ts';
import type { AdapterShapes } from '../adapter.ts';
import { isDiffuseKrona, openDiffuseKrona } from '../forms/diffusekrona.ts';
import { invalid, type Form, type Layer, type StoredLayer } from '../forms/form.ts';
import { FORMS } from '../forms/forms.ts';
import { fileLayers } from './adapter-info.ts';
import { isAdapter, modulesOf } from './file-modules.ts';
import { modulePath } from './module-names.ts';
import { diffusersScales, openPeft, type Scales } from './peft-config.ts';
import type { BlockLayers } from './unet-layers.ts';

/** Files of kohya, LyCORIS and diffusers by the form of their layers; PEFT's folders; DiffuseKronA's own files. */
export type AdapterFormat = Form['format'] | 'peft' | 'diffusekrona';

/** A layer in a file, with its name and scale there. */
export interface OpenLayer {
  /** The module's name in the file. */
  readonly name: string;
  readonly stored: StoredLayer;
  /** alpha/rank and the like; 1 for layers that have none. @throws KronaError ADAPTER_INVALID */
  readonly scale: () => Promise<number>;
}

export interface OpenAdapter {
  readonly file: SafetensorsFile;
  readonly format: AdapterFormat;
  /** By module path, or by the file's own name where that is no known module; differences by parameter. */
  readonly layers: ReadonlyMap<string, OpenLayer>;
  readonly shapes: AdapterShapes;
  /** Trained numbers in the file. */
  readonly parameters: number;
}

/**
 * Opens an adapter; its weights are read with it if they are few.
 *
 * @param path a .safetensors file, or a PEFT folder
 * @param layers what block names count by, where the file doesn't say it
 * @throws KronaError ADAPTER_FORMAT_UNSUPPORTED, ADAPTER_METHOD_UNSUPPORTED, ADAPTER_TARGETS_UNSUPPORTED,
 * ADAPTER_INVALID, SAFETENSORS_*, FILE_*
 */
export async function openAdapter(path: string, layers?: BlockLayers): Promise<OpenAdapter> {
  const peft = await openPeft(path);
  const file = await openSafetensors(peft?.weights ?? path, true);
  if (!isAdapter(file)) {
    const [first] = file.tensors.keys();
    throw new KronaError(
      'ADAPTER_FORMAT_UNSUPPORTED',
      `${file.name} is not an adapter that Krona knows (its first tensor: ${first ?? 'none'}); ` +
        'supported: LoKr, LoRA, PEFT folders, DiffuseKronA and differences.',
    );
  }
  const modules = modulesOf(file);
  const authors = isDiffuseKrona(modules);
  const scales = peft?.scales ?? diffusersScales(file);
  const opened = new Map<string, OpenLayer>();
  let parameters = 0;
  for (const module of modules) {
    const known = modulePath(module.name, layers ?? fileLayers(file.metadata)) ?? module.name;
    const path = peft?.encoder ? known.replace(/^text_encoder(?=\.)/, peft.encoder) : known;
    const low = authors && module.form.format === 'lora';
    for (const stored of low ? [openDiffuseKrona(module)] : module.form.open(module)) {
      const key = path + stored.end;
      if (opened.has(key)) throw invalid(file, `names ${key} twice`);
      const alpha = module.parts.get('alpha');
      const scale = () => layerScale(file, module.name, stored, alpha, scales);
      opened.set(key, { name: module.name, stored, scale });
    }
    for (const [part, { shape }] of module.parts) if (part !== 'alpha') parameters += sizeOf(shape);
  }
  const shapes = new Map([...opened].map(([key, { stored }]) => [key, stored.shape]));
  return {
    file,
    format: peft ? 'peft' : authors ? 'diffusekrona' : formatOf(shapes),
    layers: opened,
    shapes,
    parameters,
  };
}

/**
 * The numbers of a layer.
 * @param stored as the file has it, or fitted to a weight
 * @throws KronaError ADAPTER_INVALID naming file and module if a number is NaN or infinite; FILE_*, SAFETENSORS_DTYPE
 */
export async function readLayer(
  { file }: Pick<OpenAdapter, 'file'>,
  { name, scale, stored }: OpenLayer,
): Promise<Layer> {
  const layer = await stored.read(await scale());
  if (!layer.numbers.every((values) => values.every(Number.isFinite)))
    throw invalid(file, `has numbers in ${name} that are NaN or infinite; train or download it again`);
  return layer;
}

function formatOf(shapes: AdapterShapes): AdapterFormat {
  const forms = new Set([...shapes.values()].map(({ form }) => form));
  return FORMS.find((form) => forms.has(form))?.format ?? 'difference';
}

async function layerScale(
  file: SafetensorsFile,
  name: string,
  { scaling }: StoredLayer,
  alpha: StoredTensor | undefined,
  scales: Scales | null,
): Promise<number> {
  if (scaling === null) return 1;
  const configured = scales?.(name, scaling.rank, scaling.kind);
  if (configured !== undefined) return configured;
  // With both factors whole the scale is 1 whatever alpha says, as in all loaders.
  if (scaling.rank === null || alpha === undefined) return 1;
  const [value = NaN] = await readFloats(alpha);
  const scale = value / scaling.rank;
  if (!Number.isFinite(scale)) throw invalid(file, `gives ${name} an alpha that is not a number`);
  return scale;
}
