/** @file Adapters as inputs of sampling programs: one program serves all adapters of one shape. */
import * as op from '../graph/ops.ts';
import type { Feeds } from '../graph/runtime.ts';
import type { Parameters } from '../models/parameters.ts';
import {
  adapterLayout,
  flatLayers,
  isKronecker,
  isLowRank,
  withAdapter,
  type AdapterLayers,
  type AdapterShapes,
} from './adapter.ts';
import { strengthAt } from './noise-strength.ts';

/** An adapter as a request uses it. */
export interface AppliedAdapter {
  /** For people, where the file gives cause. */
  readonly notes?: readonly string[];
  readonly layers: AdapterLayers;
  /** 1 as trained. */
  readonly strength: number;
  /** Its strength at pure noise, of `strength`; the same at all noise levels unless given (noise-strength.ts). */
  readonly noiseStrength?: number;
}

/** The same for adapters that one program serves. Scales are no part of it: see withoutScales. */
export function shapesKey(adapters: readonly AdapterShapes[]): string {
  const one = (shapes: AdapterShapes) =>
    [...shapes].map(([path, shape]) => {
      if (isKronecker(shape)) return `${path}:${shape.a1}x${shape.a2}${shape.rowOrder ?? ''}`;
      return isLowRank(shape) ? `${path}:${shape.rank}` : path;
    });
  return adapters.map((shapes) => one(shapes).join()).join(' + ');
}

/** Names of an adapter's inputs, by its place among those of a request: all its numbers, flat, and [1,1]. */
const inputNames = (n: number) => ({ numbers: `parameters.${n}`, strength: `strength.${n}` });

/**
 * Adds adapters to a program; their changes add up.
 * @returns a part's parameters with them; `prefix` is '' for the UNet, a text encoder's folder and a dot for that
 */
export function adapterInputs(
  adapters: readonly AdapterShapes[],
): (p: Parameters, prefix: string) => Parameters {
  return (base, prefix) =>
    adapters.reduce((p, shapes, n) => {
      const layout = adapterLayout(shapes);
      const { numbers, strength } = inputNames(n);
      const tensors = layout.split(op.input(numbers, [layout.length]));
      return withAdapter(p, shapes, tensors, op.input(strength, [1, 1]), prefix);
    }, base);
}

/** What those inputs are fed. */
export function adapterFeeds(adapters: readonly AppliedAdapter[]): Feeds {
  return Object.fromEntries(
    adapters.flatMap(({ layers, strength }, n) => [
      [inputNames(n).numbers, flatLayers(layers)],
      [inputNames(n).strength, Float32Array.of(strength)],
    ]),
  );
}

/** What the strengths of those whose strength depends on the noise are fed at a timestep, of so many. */
export function strengthFeeds(
  adapters: readonly AppliedAdapter[],
  timestep: number,
  timesteps: number,
): Feeds {
  return Object.fromEntries(
    adapters.flatMap(({ strength, noiseStrength }, n) =>
      noiseStrength === undefined
        ? []
        : [
            [
              inputNames(n).strength,
              Float32Array.of(strength * strengthAt(noiseStrength, timestep, timesteps)),
            ],
          ],
    ),
  );
}
