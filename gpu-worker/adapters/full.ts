/**
 * @file Full fine-tuning as DreamBooth does it (arXiv 2208.12242): W + strength · ΔW with every number of ΔW trained.
 * ΔW and not W is the trainable vector: it starts at zero, weight decay pulls back to the model and not to zero, the
 * base may lie in half precision, and the result has a strength as other adapters have.
 */
import type { ParameterShape } from '../models/parameters.ts';

/** Of one parameter of the model, by its name with `.weight` or `.bias`. */
export interface DifferenceShape {
  readonly shape: readonly number[];
}

export interface Difference extends DifferenceShape {
  readonly delta: Float32Array;
}

/** @param parameters what the model's part is made of, with the names that it asks for them by */
export function differenceShapes(parameters: Iterable<ParameterShape>): ReadonlyMap<string, DifferenceShape> {
  return new Map([...parameters].map(({ name, shape }) => [name, { shape }]));
}
