/**
 * @file Kronecker layers in programs for cards: W + A ⊗ B of consecutive layers of one shape is one tensor, formed in each
 * run by four operators, and then cut up. SDXL has 560 such layers in 140 groups. Products with the factors take three
 * operators a layer, and as much memory traffic as the weights do. Weights that are merged once would have to be opened
 * again for each adapter, which takes seconds: the runtime keeps no results on the card between runs.
 */
import { concatenated } from '../../core/concatenated.ts';
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { ParameterShape, Parameters } from '../models/parameters.ts';
import { FlatLayout } from '../models/parameters.ts';
import type { AdapterLayers, AdapterShapes } from './adapter.ts';
import type { LayerShape } from './forms/form.ts';
import { KroneckerShape } from './forms/kronecker.ts';

/**
 * Groups that can be formed at once: they depend on no values of the model, and the runtime would form all of them before
 * the first layer, as much as their weights.
 */
const AHEAD = 8;

/** Layers of a group at most: 8 of 1280 × 1280 take 26 MB in 16 bits. */
const MOST = 8;

/** Consecutive layers of one shape and one part of the model. */
interface Group {
  readonly shape: KroneckerShape;
  readonly paths: string[];
}

/** In the order of `shapes`; layers of other forms are left out. */
function groupsOf(shapes: AdapterShapes): Group[] {
  const groups: Group[] = [];
  let before: Group | null = null;
  for (const [path, shape] of shapes) {
    if (!isMerged(shape)) {
      before = null;
    } else if (before && before.paths.length < MOST && alike(before, shape, path)) {
      before.paths.push(path);
    } else {
      before = { shape, paths: [path] };
      groups.push(before);
    }
  }
  return groups;
}

/** Whether a layer's change is formed with those of its neighbours: convolutions are rare. */
const isMerged = (shape: LayerShape): shape is KroneckerShape =>
  shape instanceof KroneckerShape && shape.kernel === undefined;

const alike = ({ shape, paths }: Group, other: KroneckerShape, path: string): boolean =>
  shape.describe() === other.describe() &&
  shape.rowOrder === other.rowOrder &&
  partOf(paths[0]) === partOf(path);

/** The text encoder of a path; '' for the UNet. */
const partOf = (path = ''): string => /^text_encoder(?:_2)?\./.exec(path)?.[0] ?? '';

/** The numbers of layers in the order that programs read: the first part of every layer, then the second. */
export function numbersByPart(layers: AdapterLayers): Float32Array {
  return concatenated(byPart([...layers.values()].map(({ numbers }) => numbers)));
}

/** Where the parts of `groups`, as one tensor each, and of all other layers lie in that order. */
function layoutByPart(shapes: AdapterShapes, groups: readonly Group[]): FlatLayout {
  const first = new Map(groups.map((group) => [group.paths[0], group]));
  const inGroups = new Set(groups.flatMap(({ paths }) => paths));
  const lists: ParameterShape[][] = [];
  for (const [path, shape] of shapes) {
    const group = first.get(path);
    if (group) lists.push(partsOf(group));
    else if (!inGroups.has(path))
      lists.push(shape.parts.map((part) => ({ ...part, name: path + part.name })));
  }
  return new FlatLayout(byPart(lists));
}

/** Both factors with the axes of the product, under the name of the first layer. */
function partsOf({ shape: { a1, a2, b1, b2, rowOrder }, paths }: Group): ParameterShape[] {
  const n = paths.length;
  const rows = rowOrder === 'b-major' ? { a: [1, a1], b: [b1, 1] } : { a: [a1, 1], b: [1, b1] };
  return [
    { name: `${paths[0]}.a`, shape: [n, ...rows.a, a2, 1] },
    { name: `${paths[0]}.b`, shape: [n, ...rows.b, 1, b2] },
  ];
}

/** All first elements, then all second ones. */
function byPart<T>(lists: readonly (readonly T[])[]): T[] {
  const most = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: most }, (_, n) => lists.flatMap((list) => list.slice(n, n + 1))).flat();
}

/** The tensors of an adapter whose numbers are one vector, `numbersByPart`; and its layers, merged where they can be. */
export interface MergedAdapter {
  /** By path and part, of the layers that are not merged. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly others: AdapterShapes;
  /** A part's parameters with the merged layers. @param prefix precedes its paths in `shapes` */
  merged(p: Parameters, prefix: string): Parameters;
}

/** @param strength what ΔW is multiplied by, [1,1] */
export function mergedAdapter(shapes: AdapterShapes, numbers: Tensor, strength: Tensor): MergedAdapter {
  const groups = groupsOf(shapes);
  const groupOf = new Map(groups.flatMap((group) => group.paths.map((path) => [path, group] as const)));
  const tensors = layoutByPart(shapes, groups).split(numbers);
  return {
    tensors,
    others: new Map([...shapes].filter(([path]) => !groupOf.has(path))),
    merged(p, prefix) {
      const made = new Map<Group, Tensor>();
      /** The strength, known only when the model has got so far. */
      let nextStrength = strength;
      let latest: Tensor | null = null;
      return {
        adapt(path, x) {
          latest = x;
          return p.adapt?.(path, x);
        },
        tensor(name, shape) {
          const group = groupOf.get(prefix + name.replace(/\.weight$/, ''));
          if (!group || !name.endsWith('.weight')) return p.tensor(name, shape);
          const weights = made.get(group) ?? mergedWeights(group);
          made.set(group, weights);
          const [rows = 0] = shape;
          const n = group.paths.indexOf(prefix + name.replace(/\.weight$/, ''));
          return op.slice(weights, 0, n * rows, (n + 1) * rows);
        },
      };

      /** W + s (A ⊗ B) of all layers of a group, one below the other. */
      function mergedWeights({ shape, paths }: Group): Tensor {
        const { a1, a2, b1, b2 } = shape;
        const weights = paths.map((path) =>
          p.tensor(`${path.slice(prefix.length)}.weight`, [a1 * b1, a2 * b2]),
        );
        const [a, b] = ['.a', '.b'].map((part) => tensors.get(`${paths[0]}${part}`));
        if (!a || !b) throw new Error(`the adapter has no ${paths[0]}`);
        if (latest && made.size % AHEAD === 0) nextStrength = op.after(strength, [latest]);
        const product = op.mul(op.mul(a, nextStrength), b);
        return op.add(op.concat(weights, 0), op.reshape(product, [paths.length * a1 * b1, a2 * b2]));
      }
    },
  };
}
