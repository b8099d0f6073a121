/** @file What an adapter is applied to, as files need to know it. */
import type { ModelFolder } from '../../models/model-folder.ts';
import { familyOf, type Family } from './adapter-info.ts';
import type { Prediction } from './stated-facts.ts';
import { adaptableModules, type ModuleShape } from '../targets.ts';
import type { BlockLayers } from './unet-layers.ts';

export interface AdapterBase {
  readonly name: string;
  /** The UNet's layers_per_block. */
  readonly layers: BlockLayers;
  /** What a file may not contradict, and what it may: neither is asked unless given. */
  readonly family?: Family;
  readonly prediction?: Prediction;
  /** Modules that may be changed. */
  readonly projections: readonly ModuleShape[];
  /** Shapes of parameters that may be changed as they are, by name; none unless given. */
  readonly parameters?: ReadonlyMap<string, readonly number[]>;
}

/** Everything in a model that files may change: matrices and convolutions, and by differences any parameter. */
export function adapterBase(model: ModelFolder): AdapterBase & { readonly family: Family } {
  const parameters = new Map<string, readonly number[]>();
  for (const part of [model.unet, ...model.textEncoders]) {
    const prefix = part === model.unet ? '' : `${part.name}.`;
    for (const [name, { shape }] of part.tensors) parameters.set(prefix + name, shape);
  }
  const prediction = model.scheduler['prediction_type'] ?? 'epsilon';
  return {
    name: model.name,
    layers: model.unet.config.layers_per_block,
    projections: adaptableModules(model),
    parameters,
    family: familyOf(model.architecture),
    ...(prediction === 'epsilon' || prediction === 'v_prediction' ? { prediction } : {}),
  };
}
