/** @file Arithmetic of shapes. */
import { GraphError } from './errors.ts';
import type { Shape } from './primitives.ts';

interface Shaped {
  readonly shape: Shape;
}

/** Number of values of a shape; 1 for a scalar `[]`. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, side) => product * side, 1);

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((side, axis) => side === b[axis]);

export const showShape = (shape: Shape): string => `[${shape.join(',')}]`;

/** One side of a tensor; negative axes count from the last. @throws GraphError GRAPH_SHAPE without such an axis */
export function sideOf({ shape }: Shaped, axis: number): number {
  const side = shape.at(axis);
  if (side === undefined) throw new GraphError('GRAPH_SHAPE', `${showShape(shape)} has no axis ${axis}`);
  return side;
}

interface Sides {
  readonly 2: readonly [number, number];
  readonly 3: readonly [number, number, number];
  readonly 4: readonly [number, number, number, number];
}

/** The shape of a tensor that must have this rank. @throws GraphError GRAPH_SHAPE when it has another */
export function sidesOf<Rank extends keyof Sides>({ shape }: Shaped, rank: Rank): Sides[Rank] {
  if (!hasRank(shape, rank))
    throw new GraphError('GRAPH_SHAPE', `expected a shape of ${rank} sides, got ${showShape(shape)}`);
  return shape;
}

const hasRank = <Rank extends keyof Sides>(shape: Shape, rank: Rank): shape is Sides[Rank] =>
  shape.length === Number(rank);
