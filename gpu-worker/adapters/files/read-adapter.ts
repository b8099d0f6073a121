/** @file Reads an adapter for a model: every module must be in the model, with the sides that it has there. */
import { KronaError } from '../../../core/errors.ts';
import type { SafetensorsFile } from '../../models/safetensors.ts';
import type { AdapterLayers } from '../adapter.ts';
import type { Layer, StoredLayer } from '../forms/form.ts';
import type { AdapterBase } from './adapter-base.ts';
import { openAdapter, readLayer, type OpenAdapter, type OpenLayer } from './open-adapter.ts';
import { checkStatedFamily, statedNotes } from './stated-facts.ts';

export interface ReadAdapter {
  readonly layers: AdapterLayers;
  readonly metadata: ReadonlyMap<string, string>;
  /** What can come out differently from how its maker saw it, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * @throws KronaError as openAdapter; ADAPTER_TARGETS_UNSUPPORTED (modules that the model's adapters don't change),
 * ADAPTER_BASE_MISMATCH (made for a model of other widths, or by its metadata for another architecture)
 */
export async function readAdapter(path: string, base: AdapterBase): Promise<ReadAdapter> {
  return readOpened(await openAdapter(path, base.layers), base);
}

/** Checks an adapter as readAdapter does, without reading its numbers. @returns its metadata @throws KronaError as readAdapter */
export async function checkAdapter(path: string, base: AdapterBase): Promise<Pick<ReadAdapter, 'metadata'>> {
  const adapter = await openAdapter(path, base.layers);
  fittedTo(adapter, base, weightsOf(base));
  return adapter.file;
}

/** As readAdapter, for an open adapter. */
export async function readOpened(adapter: OpenAdapter, base: AdapterBase): Promise<ReadAdapter> {
  const { file } = adapter;
  const weights = weightsOf(base);
  const fitted = fittedTo(adapter, base, weights);
  const layers = new Map<string, Layer>();
  // In the model's order, whatever the file's.
  for (const key of [...weights.module.keys(), ...weights.parameter.keys(), ...fitted.keys()]) {
    const read = fitted.get(key);
    if (read && !layers.has(key)) layers.set(key, await read());
  }
  return { layers, metadata: file.metadata, notes: [...adapter.notes, ...statedNotes(file, base)] };
}

/** Ways to read the layers as the base has them, by key. @throws KronaError as readAdapter */
function fittedTo(
  adapter: OpenAdapter,
  base: AdapterBase,
  weights: Weights,
): ReadonlyMap<string, () => Promise<Layer>> {
  const { file } = adapter;
  const fitted = new Map<string, () => Promise<Layer>>();
  const unknown: string[] = [];
  for (const [key, layer] of adapter.layers) {
    const weight = weights[layer.stored.shape.form.of].get(key);
    if (weight === undefined) {
      const stored = biasOf(key, layer, weights.module);
      if (stored !== null) fitted.set(key, () => readLayer({ file }, { ...layer, stored }));
      else if (!layer.stored.optional) unknown.push(layer.name);
    } else fitted.set(key, fittedLayer(file, key, layer, weight, base));
  }
  checkStatedFamily(file, base);
  if (unknown.length > 0) {
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name}${madeFor(file)} changes ${unknown.length} of ${adapter.layers.size} modules that ${base.name} ` +
        `doesn't have or that adapters can't change: ${unknown.slice(0, 4).join(', ')}${unknown.length > 4 ? ', …' : ''}. ` +
        'Use the model that it was made for.',
    );
  }
  return fitted;
}

type Weights = ReturnType<typeof weightsOf>;

/** Shapes of what can be changed: modules' weights by path, and parameters by name. */
function weightsOf({ projections, parameters }: AdapterBase) {
  const modules = projections.map(
    ({ path, out, in: inputs, kernel }) => [path, [out, inputs, ...(kernel ?? [])]] as const,
  );
  return {
    module: new Map<string, readonly number[]>(modules),
    parameter: parameters ?? new Map<string, readonly number[]>(),
  };
}

/** A way to read the layer as the base has it. @throws KronaError ADAPTER_BASE_MISMATCH */
function fittedLayer(
  file: SafetensorsFile,
  key: string,
  layer: OpenLayer,
  weight: readonly number[],
  base: AdapterBase,
): () => Promise<Layer> {
  const stored = layer.stored.fit(weight);
  if (stored === null)
    throw new KronaError(
      'ADAPTER_BASE_MISMATCH',
      `${file.name} was made for another model${madeFor(file)}: it changes ${key} by ${layer.stored.shape.describe()}, ` +
        `which in ${base.name} is ${weight.join('×')}. Use the model that it was made for, or train an adapter for this one.`,
    );
  const { readParameter } = base;
  return () => readLayer({ file }, { ...layer, stored }, readParameter && (() => readParameter(key)));
}

/** A bias for a module of the model that has none, as a change of its output; null for anything else. */
function biasOf(
  key: string,
  { stored }: OpenLayer,
  modules: ReadonlyMap<string, readonly number[]>,
): StoredLayer | null {
  const weight = modules.get(key.replace(/\.bias$/, ''));
  const fits = weight?.length === 2 && weight[0] === stored.shape.size;
  return fits ? (stored.asOutput ?? null) : null;
}

/** The base that a file names, in brackets. */
function madeFor({ metadata }: SafetensorsFile): string {
  const name =
    metadata.get('krona.base_model') ??
    metadata.get('ss_sd_model_name') ??
    metadata.get('ss_base_model_version') ??
    metadata.get('modelspec.architecture');
  return name === undefined ? '' : ` (${name})`;
}
