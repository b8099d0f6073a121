/**
 * @file Opens adapter files of every known kind as one form: ΔW of each module, with scales worked out. Rules of scale:
 * LoKr with whole factors has none, otherwise alpha/rank (LyCORIS); LoRA alpha/rank, 1 without alpha (kohya); PEFT's and
 * diffusers' by their configs; DiffuseKronA and differences have none.
 */
import { sizeOf } from '../../graph/tensor.ts';
import {
  openSafetensors,
  readNumber,
  type SafetensorsFile,
  type StoredTensor,
} from '../../models/safetensors.ts';
import type { AdapterShapes } from '../adapter.ts';
import { isDiffuseKrona, openDiffuseKrona } from '../forms/diffusekrona.ts';
import { invalid, type FileForm, type Layer, type StoredLayer } from '../forms/form.ts';
import { FILE_FORMS } from '../forms/forms.ts';
import { fileLayers } from './adapter-info.ts';
import { sortTensors, type FormModule } from './file-modules.ts';
import { modulePath } from './module-names.ts';
import { diffusersScales, openPeft, type Scales } from './peft-config.ts';
import type { BlockLayers } from './unet-layers.ts';

/** Files of kohya, LyCORIS and diffusers by the form of their layers; PEFT's folders; DiffuseKronA's own files. */
export type AdapterFormat = FileForm['format'] | 'peft' | 'diffusekrona';

/** A layer in a file, with its name and scale there. */
export interface OpenLayer {
  /** The module's name in the file. */
  readonly name: string;
  /** Whether that is the name of a module of a UNet or a text encoder. */
  readonly known: boolean;
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
  /** What was left out, a sentence each. */
  readonly notes: readonly string[];
}

/** Numbers of the largest ΔW: SDXL's largest weight, a vocabulary's, has 63 million. */
const MOST_NUMBERS = 1 << 27;
/** Of all ΔW together: SDXL has 3.5 billion with its text encoders. */
const MOST_IN_ALL = 2 ** 33;
const UNTRAINED = ['alpha', 'on_input'];

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
  const { modules, notes } = sortTensors(file);
  const authors = isDiffuseKrona(modules);
  const scales = peft === null || peft.scales === null ? diffusersScales(file) : peft.scales;
  const opened = new Map<string, OpenLayer>();
  let [parameters, size] = [0, 0];
  for (const module of modules) {
    const meant = modulePath(module.name, layers ?? fileLayers(file.metadata));
    const known = meant ?? module.name;
    const path = peft?.encoder ? known.replace(/^text_encoder(?=\.)/, peft.encoder) : known;
    const low = authors && module.form.format === 'lora';
    for (const stored of low ? [openDiffuseKrona(module)] : module.form.open(module)) {
      const key = path + stored.end;
      if (opened.has(key)) throw invalid(file, `names ${key} twice`);
      size += stored.shape.size;
      if (stored.shape.size > MOST_NUMBERS || size > MOST_IN_ALL)
        throw invalid(
          file,
          `changes ${module.name} by ${stored.shape.describe()}; no model that Krona runs has so large a weight, or so many`,
        );
      const alpha = module.parts.get('alpha');
      const scale = () => layerScale(file, module.name, stored, alpha, scales);
      opened.set(key, { name: module.name, known: meant !== null, stored, scale });
    }
    for (const [part, { shape }] of module.parts) if (!UNTRAINED.includes(part)) parameters += sizeOf(shape);
  }
  const shapes = new Map([...opened].map(([key, { stored }]) => [key, stored.shape]));
  return {
    file,
    format: peft?.scales ? 'peft' : authors ? 'diffusekrona' : formatOf(modules),
    layers: opened,
    shapes,
    parameters,
    notes,
  };
}

/**
 * The numbers of a layer.
 * @param stored as the file has it, or fitted to a weight
 * @param base reads that weight
 * @throws KronaError ADAPTER_INVALID naming file and module if a number is NaN or infinite; FILE_*, SAFETENSORS_DTYPE
 */
export async function readLayer(
  { file }: Pick<OpenAdapter, 'file'>,
  { name, scale, stored }: OpenLayer,
  base?: () => Promise<Float32Array>,
): Promise<Layer> {
  const layer = await stored.read(await scale(), base);
  if (!layer.numbers.every((values) => values.every(Number.isFinite)))
    throw invalid(file, `has numbers in ${name} that are NaN or infinite; train or download it again`);
  return layer;
}

function formatOf(modules: readonly FormModule[]): AdapterFormat {
  const forms = new Set(modules.map(({ form }) => form));
  return FILE_FORMS.find((form) => forms.has(form))?.format ?? 'difference';
}

async function layerScale(
  file: SafetensorsFile,
  name: string,
  { scaling }: StoredLayer,
  alpha: StoredTensor | undefined,
  scales: Scales | null,
): Promise<number> {
  // With both factors whole the scale is 1 whatever alpha says, also infinity, as in all loaders.
  const counts = scaling === null || scaling.rank !== null;
  const stated = counts && alpha !== undefined ? await readNumber(alpha) : undefined;
  if (stated !== undefined && !Number.isFinite(stated))
    throw invalid(file, `gives ${name} an alpha that is not a number`);
  if (scaling === null) return 1;
  const configured = scales?.(name, scaling.rank, scaling.kind);
  if (configured !== undefined) {
    if (!Number.isFinite(configured))
      throw invalid(file, `has a config that gives ${name} the scale ${configured}`);
    return configured;
  }
  return scaling.rank === null || stated === undefined ? 1 : stated / scaling.rank;
}
