/**
 * @file What an adapter is to training, sampling, jobs and files alike: for each module one of three forms of ΔW
 * (krona.ts, lora.ts, full.ts). All trained numbers lie in one flat vector, which is an input of the graph, so that
 * switching adapters of one shape compiles nothing.
 */
import * as op from '../graph/ops.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { FlatLayout, namedSlices, type Parameters, type ParameterShape } from '../models/parameters.ts';
import type { Difference, DifferenceShape } from './full.ts';
import {
  factorLayout,
  kroneckerLinear,
  kroneckerProduct,
  type FactorShape,
  type KroneckerFactors,
} from './krona.ts';
import { lowRankLinear, lowRankTensors, type LowRankFactors, type LowRankShape } from './lora.ts';

export type LayerShape = FactorShape | LowRankShape | DifferenceShape;
export type Layer = KroneckerFactors | LowRankFactors | Difference;

/**
 * By module path as in diffusers (text encoders behind their folder's name); a difference by its parameter's name,
 * e.g. `conv_in.weight`.
 */
export type AdapterShapes = ReadonlyMap<string, LayerShape>;
export type AdapterLayers = ReadonlyMap<string, Layer>;

export const isKronecker = <T extends LayerShape>(layer: T): layer is Extract<T, FactorShape> =>
  'a1' in layer;
export const isLowRank = <T extends LayerShape>(layer: T): layer is Extract<T, LowRankShape> =>
  'rank' in layer;
export const isDifference = <T extends LayerShape>(layer: T): layer is Extract<T, DifferenceShape> =>
  'shape' in layer;

/** All trained numbers in one vector: `PATH.a`, `PATH.b` or `PATH.down`, `PATH.up` of each module, or `NAME`. */
export function adapterLayout(shapes: AdapterShapes): FlatLayout {
  return new FlatLayout(
    [...shapes].flatMap(([path, shape]): readonly ParameterShape[] => {
      if (isKronecker(shape)) return factorLayout(new Map([[path, shape]])).entries;
      return isLowRank(shape) ? lowRankTensors(path, shape) : [{ name: path, shape: shape.shape }];
    }),
  );
}

/**
 * A model part's parameters with an adapter on them.
 *
 * @param tensors the flat vector's parts, by the names of adapterLayout
 * @param strength what ΔW is multiplied by, 1 as trained; a scalar
 * @param prefix stands before the part's paths in `shapes`: '' for the UNet, `text_encoder.` for that
 */
export function withAdapter(
  p: Parameters,
  shapes: AdapterShapes,
  tensors: ReadonlyMap<string, Tensor>,
  strength: Tensor,
  prefix = '',
): Parameters {
  return {
    tensor(name, shape) {
      const weight = p.tensor(name, shape);
      const change = weightChange(prefix + name, shapes, tensors, strength);
      return change === null ? weight : op.add(weight, op.reshape(change, shape));
    },
    adapt(path, x) {
      const below = p.adapt?.(path, x);
      const added = outputChange(prefix + path, x, shapes, tensors, strength);
      return below && added ? op.add(below, added) : (added ?? below);
    },
  };
}

/**
 * Kronecker products of at most so many numbers are formed and added to the weight. For small layers this is quicker than
 * products with the factors, whose transpositions take most of the time, and alike for all factors; larger ones would
 * pay for the gradient of the whole weight.
 */
const FORMED = 1 << 16;

/** Convolutions are always formed: training here does not change them, but files of other programs do. */
const isFormed = ({ a1, a2, b1, b2, kernel }: FactorShape): boolean =>
  kernel !== undefined || a1 * a2 * b1 * b2 <= FORMED;

/** What is added to a linear module's output, without forming ΔW. */
function outputChange(
  path: string,
  x: Tensor,
  shapes: AdapterShapes,
  tensors: ReadonlyMap<string, Tensor>,
  strength: Tensor,
): Tensor | undefined {
  const shape = shapes.get(path);
  if (!shape || isDifference(shape) || shape.kernel) return undefined;
  if (isKronecker(shape)) {
    if (isFormed(shape)) return undefined;
    // Scaling A, the smaller factor, scales the product.
    const a = op.mul(tensors.get(`${path}.a`)!, strength);
    return kroneckerLinear(x, a, tensors.get(`${path}.b`)!, shape.rowOrder);
  }
  const scale = op.mul(strength, shape.scale);
  return lowRankLinear(x, tensors.get(`${path}.down`)!, tensors.get(`${path}.up`)!, scale);
}

/** What is added to a parameter itself: differences, and ΔW formed from its factors. Flat, or as the file has it. */
function weightChange(
  name: string,
  shapes: AdapterShapes,
  tensors: ReadonlyMap<string, Tensor>,
  strength: Tensor,
): Tensor | null {
  if (shapes.has(name)) {
    // Two axes, as the strength may be [1,1].
    const delta = tensors.get(name)!;
    return op.mul(op.reshape(delta, [1, sizeOf(delta.shape)]), strength);
  }
  const path = name.replace(/\.weight$/, '');
  const shape = path === name ? undefined : shapes.get(path);
  if (!shape || isDifference(shape)) return null;
  if (isKronecker(shape)) {
    if (!isFormed(shape)) return null;
    // Scaling A, the smaller factor, scales the product.
    return kroneckerProduct(shape, op.mul(tensors.get(`${path}.a`)!, strength), tensors.get(`${path}.b`)!);
  }
  if (!shape.kernel) return null;
  const scale = op.mul(strength, shape.scale);
  return op.matmul(tensors.get(`${path}.up`)!, op.mul(tensors.get(`${path}.down`)!, scale));
}

/** The layers of a flat vector, as files hold them; copies. */
export function adapterLayers(shapes: AdapterShapes, flat: Float32Array): AdapterLayers {
  const values = namedSlices(adapterLayout(shapes), flat);
  const part = (name: string): Float32Array => values.get(name)!.slice();
  return new Map(
    [...shapes].map(([path, shape]): [string, Layer] => {
      if (isKronecker(shape)) return [path, { ...shape, a: part(`${path}.a`), b: part(`${path}.b`) }];
      if (isLowRank(shape)) return [path, { ...shape, down: part(`${path}.down`), up: part(`${path}.up`) }];
      return [path, { ...shape, delta: part(path) }];
    }),
  );
}

/** The flat vector of the layers' numbers. */
export function flatLayers(layers: AdapterLayers): Float32Array {
  const layout = adapterLayout(layers);
  const flat = new Float32Array(layout.length);
  for (const { name, offset } of layout.entries) flat.set(valuesOf(layers, name), offset);
  return flat;
}

function valuesOf(layers: AdapterLayers, name: string): Float32Array {
  const whole = layers.get(name);
  if (whole && isDifference(whole)) return whole.delta;
  const dot = name.lastIndexOf('.');
  const layer = layers.get(name.slice(0, dot))!;
  return (layer as unknown as Record<string, Float32Array>)[name.slice(dot + 1)]!;
}

/** The same with every LoRA's scale in its numbers, so that adapters of one shape share a program. */
export function withoutScales(layers: AdapterLayers): AdapterLayers {
  return new Map(
    [...layers].map(([path, layer]): [string, Layer] => {
      if (!isLowRank(layer) || layer.scale === 1) return [path, layer];
      const { up, scale } = layer;
      return [path, { ...layer, up: up.map((value) => value * scale), scale: 1 }];
    }),
  );
}

/** The modules whose names begin with `prefix` ('' for the UNet's: all that belong to no text encoder). */
export function layersOf<T>(layers: ReadonlyMap<string, T>, prefix: string): ReadonlyMap<string, T> {
  return new Map(
    [...layers].filter(([path]) =>
      prefix === '' ? !/^text_encoder(?:_2)?\./.test(path) : path.startsWith(prefix),
    ),
  );
}

/** ΔW of a layer [out, in·kh·kw], or of the parameter's own shape; what files mean, whatever their form. */
export function layerDelta(layer: Layer): Float32Array {
  if (isDifference(layer)) return layer.delta;
  if (isLowRank(layer)) {
    const { rank, out, scale, down, up } = layer;
    const columns = down.length / rank;
    const delta = new Float32Array(out * columns);
    for (let i = 0; i < out; i++)
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += up[i * rank + r]! * down[r * columns + j]!;
        delta[i * columns + j] = sum * scale;
      }
    return delta;
  }
  const { a1, a2, b1, a, b, rowOrder } = layer;
  const columns = b.length / b1;
  const delta = new Float32Array(a1 * a2 * b.length);
  for (let i = 0; i < a1; i++)
    for (let p = 0; p < b1; p++) {
      const row = rowOrder === 'b-major' ? p * a1 + i : i * b1 + p;
      for (let j = 0; j < a2; j++)
        for (let q = 0; q < columns; q++)
          delta[(row * a2 + j) * columns + q] = a[i * a2 + j]! * b[p * columns + q]!;
    }
  return delta;
}
