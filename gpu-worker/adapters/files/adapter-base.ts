/** @file The model that an adapter is for, as reading files needs it. */
import type { ModelFolder } from '../../models/model-folder.ts';
import { readParameter, type ModelTensor } from '../../models/parameters.ts';
import { familyOf, type Family } from './adapter-info.ts';
import type { Prediction } from './stated-facts.ts';
import { adaptableModules, type ModuleShape } from '../targets.ts';
import type { BlockLayers } from './unet-layers.ts';

export interface AdapterBase {
  readonly name: string;
  /** The UNet's layers_per_block. */
  readonly layers: BlockLayers;
  /** A file with another family is refused, with another prediction noted; neither is checked unless given. */
  readonly family?: Family;
  readonly prediction?: Prediction;
  /** Modules that adapters can change. */
  readonly projections: readonly ModuleShape[];
  /** Shapes of the parameters that differences can change, by name; none by default. */
  readonly parameters?: ReadonlyMap<string, readonly number[]>;
  /** The numbers of one of them, for changes that are relative to the model's own weights. */
  readonly readParameter?: (name: string) => Promise<Float32Array>;
}

/** Everything in a model that files can change: matrices, convolutions, and by differences any parameter. */
export function adapterBase(model: ModelFolder): AdapterBase & { readonly family: Family } {
  const parameters = new Map<string, readonly number[]>();
  const tensors = new Map<string, ModelTensor>();
  for (const part of [model.unet, ...model.textEncoders]) {
    const prefix = part === model.unet ? '' : `${part.name}.`;
    for (const [name, tensor] of part.tensors) {
      parameters.set(prefix + name, tensor.shape);
      tensors.set(prefix + name, tensor);
    }
  }
  const prediction = model.scheduler['prediction_type'] ?? 'epsilon';
  return {
    name: model.name,
    layers: model.unet.config.layers_per_block,
    projections: adaptableModules(model),
    parameters,
    readParameter: (name) => readParameter(required(tensors, name)),
    family: familyOf(model.architecture),
    ...(prediction === 'epsilon' || prediction === 'v_prediction' ? { prediction } : {}),
  };
}

function required<T>(all: ReadonlyMap<string, T>, name: string): T {
  const found = all.get(name);
  if (found === undefined) throw new TypeError(`the model has no ${name}`);
  return found;
}
