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

/** The same for layers that one program serves. Scales are no part of it: see withoutScales. */
export function shapesKey(shapes: AdapterShapes): string {
  return [...shapes]
    .map(([path, shape]) => {
      if (isKronecker(shape)) return `${path}:${shape.a1}x${shape.a2}${shape.rowOrder ?? ''}`;
      return isLowRank(shape) ? `${path}:${shape.rank}` : path;
    })
    .join();
}

/**
 * Adds an adapter's inputs to a program: `parameters`, all its numbers, flat, and `strength` [1,1].
 * @returns a part's parameters with the adapter; `prefix` is '' for the UNet, a text encoder's folder and a dot for that
 */
export function adapterInputs(layers: AdapterShapes): (p: Parameters, prefix: string) => Parameters {
  const layout = adapterLayout(layers);
  return (p, prefix) => {
    const tensors = layout.split(op.input('parameters', [layout.length]));
    return withAdapter(p, layers, tensors, op.input('strength', [1, 1]), prefix);
  };
}

/** What those inputs are fed. */
export function adapterFeeds(layers: AdapterLayers, strength: number): Feeds {
  return { parameters: flatLayers(layers), strength: new Float32Array([strength]) };
}
