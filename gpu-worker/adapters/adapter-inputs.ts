/** @file Adapters as inputs of sampling programs: one program serves all adapters of one shape. */
import type { Place } from '../../core/prompts/split.ts';
import { currentDialect } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import type { Shape } from '../graph/primitives.ts';
import type { Feeds } from '../graph/runtime.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from '../models/parameters.ts';
import { adapterLayout, flatLayers, withAdapter, type AdapterLayers, type AdapterShapes } from './adapter.ts';
import { encodeHalf } from '../models/half.ts';
import { mergedAdapter, numbersByPart } from './merged-kronecker.ts';
import { strengthAt } from './noise-strength.ts';

/** An adapter as a request uses it. */
export interface AppliedAdapter {
  /** For people, where the file gives cause. */
  readonly notes?: readonly string[];
  readonly layers: AdapterLayers;
  /** Its subject in prompts, such as `zqkv cat`, where its file says it. */
  readonly subject?: string;
  /** 1 as trained. */
  readonly strength: number;
  /** Where it acts; everywhere by default. */
  readonly place?: Place;
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
  const { fewLaunches } = currentDialect();
  return (base, prefix) =>
    adapters.reduce((p, shapes, n) => {
      const layout = adapterLayout(shapes);
      const names = inputNames(n);
      const numbers = numbersInput(names.numbers, [layout.length]);
      const strength = numbersInput(names.strength, [1, 1]);
      if (!fewLaunches) return withAdapter(p, shapes, layout.split(numbers), strength, prefix);
      const adapter = mergedAdapter(shapes, numbers, strength);
      return withAdapter(adapter.merged(p, prefix), adapter.others, adapter.tensors, strength, prefix);
    }, base);
}

/** Programs in 16 bits that merge adapters get them so: half of the bytes to send, and W + ΔW stays in 16 bits. */
const inHalf = (): boolean => currentDialect().fewLaunches && currentDialect().drawing === 'float16';

const numbersInput = (name: string, shape: Shape): Tensor =>
  inHalf() ? op.cast(op.input(name, shape, 'float16'), 'float32') : op.input(name, shape);

const numbersFed = (values: Float32Array): Float32Array | Uint16Array =>
  inHalf() ? encodeHalf(values) : values;

/** The feeds of those inputs. */
export function adapterFeeds(adapters: readonly AppliedAdapter[]): Feeds {
  return Object.fromEntries(
    adapters.flatMap(({ layers, strength }, n) => [
      [
        inputNames(n).numbers,
        numbersFed(currentDialect().fewLaunches ? numbersByPart(layers) : flatLayers(layers)),
      ],
      [inputNames(n).strength, numbersFed(Float32Array.of(strength))],
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
              numbersFed(Float32Array.of(strength * strengthAt(noiseStrength, timestep, timesteps))),
            ],
          ],
    ),
  );
}
