/** @file Adapters as inputs of sampling programs: one program serves all adapters of one shape. */
import * as op from '../graph/ops.ts';
import type { Feeds } from '../graph/runtime.ts';
import type { Parameters } from '../models/parameters.ts';
import { adapterLayout, flatLayers, withAdapter, type AdapterLayers, type AdapterShapes } from './adapter.ts';
import { strengthAt } from './noise-strength.ts';

/** An adapter as a request uses it. */
export interface AppliedAdapter {
  /** For people, where the file gives cause. */
  readonly notes?: readonly string[];
  readonly layers: AdapterLayers;
  /** 1 as trained. */
  readonly strength: number;
  /** Share of `strength` at pure noise (noise-strength.ts); 1 by default. */
  readonly noiseStrength?: number;
}

/** The same for adapters that one program can serve, whose scales must be in their numbers (withoutScales). */
export function shapesKey(adapters: readonly AdapterShapes[]): string {
  return adapters
    .map((shapes) => [...shapes].map(([path, { programKey }]) => path + programKey).join())
    .join(' + ');
}

/** Names of an adapter's inputs, by its place among those of a request: all its numbers, flat, and its strength [1,1]. */
const inputNames = (n: number) => ({ numbers: `parameters.${n}`, strength: `strength.${n}` });

/**
 * Adds adapters to a program; their changes add up.
 * @returns a function that gives a part's parameters with them; `prefix` is '' for the UNet, or a text encoder's folder
 * and a dot
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

/** The feeds of those inputs. */
export function adapterFeeds(adapters: readonly AppliedAdapter[]): Feeds {
  return Object.fromEntries(
    adapters.flatMap(({ layers, strength }, n) => [
      [inputNames(n).numbers, flatLayers(layers)],
      [inputNames(n).strength, Float32Array.of(strength)],
    ]),
  );
}

/** Feeds at a timestep for the adapters whose strength depends on the noise. @param timesteps of the model's training */
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
