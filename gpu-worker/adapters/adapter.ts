/**
 * @file An adapter: for each module ΔW in one of the forms of forms/. All trained numbers lie in one flat vector, which
 * is an input of the graph, so that switching adapters of one shape compiles nothing.
 */
import { at } from '../../core/at.ts';
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import { FlatLayout, namedSlices, type Parameters } from '../models/parameters.ts';
import type { Layer, LayerShape, Use } from './forms/form.ts';

/**
 * By module path as in diffusers (text encoders after their folder's name); a difference by its parameter's name, e.g.
 * `conv_in.weight`.
 */
export type AdapterShapes = ReadonlyMap<string, LayerShape>;
export type AdapterLayers = ReadonlyMap<string, Layer>;

/** All trained numbers in one vector: `PATH.a`, `PATH.b` or `PATH.down`, `PATH.up` of each module, or `NAME`. */
export function adapterLayout(shapes: AdapterShapes): FlatLayout {
  return new FlatLayout(
    [...shapes].flatMap(([path, { parts }]) =>
      parts.map(({ name, shape }) => ({ name: path + name, shape })),
    ),
  );
}

/**
 * A model part's parameters with an adapter on them.
 *
 * @param tensors the flat vector's parts, by the names of adapterLayout
 * @param strength what ΔW is multiplied by, 1 as trained; a scalar
 * @param prefix precedes the part's paths in `shapes`: '' for the UNet, `text_encoder.` for that
 * @param rowStrengths strength of each row of the batch [B], times `strength`; not for differences, which all rows share
 * @param wide A ⊗ I of Kronecker layers, by path in `shapes`
 */
export function withAdapter(
  p: Parameters,
  shapes: AdapterShapes,
  tensors: ReadonlyMap<string, Tensor>,
  strength: Tensor,
  prefix = '',
  rowStrengths?: Tensor,
  wide: ReadonlyMap<string, Tensor> = new Map(),
): Parameters {
  const useOf = (path: string): Use => ({
    part: (name) => required(tensors, path + name),
    strength,
    byRow: rowStrengths !== undefined,
    wide: wide.get(path),
  });
  return {
    tensor(name, shape) {
      const weight = p.tensor(name, shape);
      const whole = prefix + name;
      const path = shapes.has(whole) ? whole : whole.replace(/\.weight$/, '');
      const change = shapes.get(path)?.weightChange(useOf(path));
      return change ? op.add(weight, op.reshape(change, shape)) : weight;
    },
    adapt(name, x) {
      const path = prefix + name;
      return [path, `${path}.bias`].reduce<Tensor | undefined>((below, key) => {
        const change = shapes.get(key)?.outputChange(x, useOf(key));
        if (!change) return below;
        const added = rowStrengths ? op.mul(change, perRow(rowStrengths, change)) : change;
        return below ? op.add(below, added) : added;
      }, p.adapt?.(name, x));
    },
  };
}

/** ‖ΔW‖² summed over all modules, as trained (strength 1): a scalar. @param tensors as in withAdapter */
export function adapterNorm(shapes: AdapterShapes, tensors: ReadonlyMap<string, Tensor>): Tensor {
  return [...shapes]
    .map(([path, shape]) => shape.squaredNorm((name) => required(tensors, path + name)))
    .reduce((sum, norm) => op.add(sum, norm));
}

/** [B] as [B,1,…], to multiply each row of `like`. */
const perRow = (x: Tensor, like: Tensor): Tensor =>
  op.reshape(x, [at(x.shape, 0), ...like.shape.slice(1).map(() => 1)]);

/** The layers of a flat vector, as files hold them; copies. */
export function adapterLayers(shapes: AdapterShapes, flat: Float32Array): AdapterLayers {
  const values = namedSlices(adapterLayout(shapes), flat);
  return new Map(
    [...shapes].map(([path, shape]) => [
      path,
      shape.withNumbers((part) => required(values, path + part).slice()),
    ]),
  );
}

function required<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined) throw new Error(`the adapter has no ${name}`);
  return value;
}

/** The flat vector of the layers' numbers. */
export function flatLayers(layers: AdapterLayers): Float32Array {
  const flat = new Float32Array(adapterLayout(layers).length);
  let offset = 0;
  for (const { numbers } of layers.values())
    for (const values of numbers) {
      flat.set(values, offset);
      offset += values.length;
    }
  return flat;
}

/** The same with every LoRA's scale in its numbers, so that adapters of one shape share a program. */
export function withoutScales(layers: AdapterLayers): AdapterLayers {
  return new Map([...layers].map(([path, layer]) => [path, layer.withoutScale()]));
}

/** The modules whose names begin with `prefix` ('' for the UNet's: all that belong to no text encoder). */
export function layersOf<T>(layers: ReadonlyMap<string, T>, prefix: string): ReadonlyMap<string, T> {
  return new Map(
    [...layers].filter(([path]) =>
      prefix === '' ? !/^text_encoder(?:_2)?\./.test(path) : path.startsWith(prefix),
    ),
  );
}
