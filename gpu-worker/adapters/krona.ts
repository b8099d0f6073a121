/**
 * @file The Kronecker adapter of DiffuseKronA (arXiv 2402.17412, §3.2): W + strength · A ⊗ B on a projection W [out, in],
 * with A [a1, a2] on the left and B [b1, b2], out = a1·b1, in = a2·b2. Two ways to the same: products
 * with the factors in turn, or A ⊗ B formed (adapter.ts chooses).
 */
import { checkFactors } from '../../core/settings/check.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import * as op from '../graph/ops.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { FlatLayout, namedSlices } from '../models/parameters.ts';
import { KeyedRandom } from '../../core/random.ts';
import { kaiming, type Distribution } from './initial.ts';
import { projectionKind, type ProjectionKind } from './targets.ts';

/** One adapted projection: W [a1·b1, a2·b2] += A ⊗ B, both row-major. */
export interface KroneckerFactors {
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
  /** Of a convolution [a1·b1, a2·b2, kh, kw], whose kernel is B's. */
  readonly kernel?: readonly [kh: number, kw: number];
  /** The authors' files: row p·a1+i of ΔW is row i·b1+p of A ⊗ B (their forward pass leaves out a transposition). */
  readonly rowOrder?: 'b-major';
  /** a1 × a2 */
  readonly a: Float32Array;
  /** b1 × b2·kh·kw */
  readonly b: Float32Array;
}

/** By module path as in diffusers, e.g. `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`. */
export type KroneckerLayers = ReadonlyMap<string, KroneckerFactors>;

export type FactorShape = Omit<KroneckerFactors, 'a' | 'b'>;
/** By module path. */
export type FactorShapes = ReadonlyMap<string, FactorShape>;

/** A pair (a1, a2) of its own for projections of a kind. */
export type FactorPairs = Readonly<Partial<Record<ProjectionKind, readonly [a1: number, a2: number]>>>;

/**
 * The shapes of B for one A on every projection, or for one on each kind of projection.
 * @throws KronaError FACTORS_UNFIT naming a projection and the values that fit all of its kind
 */
export function factorShapes(
  projections: readonly ProjectionShape[],
  allA1: number,
  allA2: number,
  pairs: FactorPairs = {},
): FactorShapes {
  const pairOf = ({ path }: ProjectionShape) => pairs[projectionKind(path)];
  checkFactors(
    { a1: allA1, a2: allA2 },
    projections.filter((projection) => pairOf(projection) === undefined),
  );
  for (const pair of Object.values(pairs))
    checkFactors(
      { a1: pair[0], a2: pair[1] },
      projections.filter((projection) => pairOf(projection) === pair),
    );
  return new Map(
    projections.map((projection) => {
      const [a1, a2] = pairOf(projection) ?? [allA1, allA2];
      return [projection.path, { a1, a2, b1: projection.out / a1, b2: projection.in / a2 }];
    }),
  );
}

/** All factors in one vector: `PATH.a`, `PATH.b` of each projection in order. */
export function factorLayout(shapes: FactorShapes): FlatLayout {
  return new FlatLayout(
    [...shapes].flatMap(([path, { a1, a2, b1, b2, kernel = [1, 1] }]) => [
      { name: `${path}.a`, shape: [a1, a2] },
      { name: `${path}.b`, shape: [b1, b2 * kernel[0] * kernel[1]] },
    ]),
  );
}

/**
 * A random and B zero, so that training starts at the model itself (paper §3.3): normal with deviation 1/a2, or
 * Kaiming's uniform distribution, as torch draws a linear layer's weight [a1, a2].
 */
export function initialFactors(
  layout: FlatLayout,
  seed: number,
  distribution: Distribution = 'normal',
): Float32Array {
  const flat = new Float32Array(layout.length);
  layout.entries.forEach(({ name, shape, offset, size }, index) => {
    if (!name.endsWith('.a')) return;
    const random = new KeyedRandom(seed, 'factors', index);
    const columns = shape[1]!;
    const draw = distribution === 'normal' ? () => random.normal() / columns : () => kaiming(random, columns);
    for (let i = 0; i < size; i++) flat[offset + i] = draw();
  });
  return flat;
}

/**
 * x [...,a2·b2] · (A ⊗ B)ᵀ → [...,a1·b1]: with X the row as [a2, b2], the result is A X Bᵀ read row by row; or column
 * by column, as the authors' code does. Multiplies by A or by B first, whichever costs less for these shapes.
 */
export function kroneckerLinear(x: Tensor, a: Tensor, b: Tensor, rowOrder?: FactorShape['rowOrder']): Tensor {
  const [a1, a2] = a.shape as [number, number];
  const [b1, b2] = b.shape as [number, number];
  const rows = sizeOf(x.shape) / (a2 * b2);
  const result = [...x.shape.slice(0, -1), a1 * b1];
  const flatten = (t: Tensor, width: number): Tensor => op.reshape(t, [sizeOf(t.shape) / width, width]);
  if (contractAFirst({ a1, a2, b1, b2 })) {
    const columns = op.transpose(op.reshape(x, [rows, a2, b2]), [0, 2, 1]); // [N,b2,a2]
    const ax = op.reshape(op.matmul(flatten(columns, a2), op.swap(a)), [rows, b2, a1]);
    const axb = op.matmul(flatten(op.transpose(ax, [0, 2, 1]), b2), op.swap(b)); // [N·a1,b1]
    return op.reshape(
      rowOrder === 'b-major' ? op.transpose(op.reshape(axb, [rows, a1, b1]), [0, 2, 1]) : axb,
      result,
    );
  }
  const xb = op.reshape(op.matmul(flatten(x, b2), op.swap(b)), [rows, a2, b1]);
  const columns = op.transpose(xb, [0, 2, 1]); // [N,b1,a2]
  const abx = op.reshape(op.matmul(flatten(columns, a2), op.swap(a)), [rows, b1, a1]);
  return op.reshape(rowOrder === 'b-major' ? abx : op.transpose(abx, [0, 2, 1]), result);
}

/**
 * A ⊗ B as [a1·b1, a2·b2·kh·kw], formed: the outer product of all numbers of A with all of B, put in order. Its
 * gradients are two products of a matrix with a vector.
 */
export function kroneckerProduct(
  { a1, a2, b1, b2, kernel = [1, 1], rowOrder }: FactorShape,
  a: Tensor,
  b: Tensor,
): Tensor {
  const columns = b2 * kernel[0] * kernel[1];
  const outer = op.matmul(op.reshape(a, [a1 * a2, 1]), op.reshape(b, [1, b1 * columns]));
  const ordered = op.transpose(
    op.reshape(outer, [a1, a2, b1, columns]),
    rowOrder === 'b-major' ? [2, 0, 1, 3] : [0, 2, 1, 3],
  );
  return op.reshape(ordered, [a1 * b1, a2 * columns]);
}

/** Multiplications of a row, plus what the two transposes move, which costs about as much as eight of them a value. */
function contractAFirst({ a1, a2, b1, b2 }: FactorShape): boolean {
  const moved = 8;
  const aFirst = a1 * a2 * b2 + a1 * b2 * b1 + moved * (a2 * b2 + a1 * b2);
  const bFirst = a2 * b2 * b1 + a2 * b1 * a1 + moved * (a2 * b1 + a1 * b1);
  return aFirst <= bFirst;
}

/** The factors of a flat vector, as files hold them. */
export function kroneckerLayers(shapes: FactorShapes, flat: Float32Array): KroneckerLayers {
  const values = namedSlices(factorLayout(shapes), flat);
  return new Map(
    [...shapes].map(([path, shape]) => [
      path,
      { ...shape, a: values.get(`${path}.a`)!.slice(), b: values.get(`${path}.b`)!.slice() },
    ]),
  );
}

/** The flat vector of factors that a file holds. */
export function flatFactors(layers: KroneckerLayers): Float32Array {
  const layout = factorLayout(layers);
  const flat = new Float32Array(layout.length);
  for (const { name, offset } of layout.entries) {
    const [path, factor] = [name.slice(0, -2), name.slice(-1) as 'a' | 'b'];
    flat.set(layers.get(path)![factor], offset);
  }
  return flat;
}
