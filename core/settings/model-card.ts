/** @file The worker's model, as chat and checks need to know it without the engine. */
import type { Target } from './choices.ts';
import type { Computer } from './computer.ts';

/** One projection that adapters may change: module path as in diffusers, weight `[out, in]`. */
export interface ProjectionShape {
  readonly path: string;
  readonly out: number;
  readonly in: number;
}

/** An adapter that draws in few steps, and how. */
export interface SpeedFile {
  /** Its file's name without the extension. */
  readonly name: string;
  readonly steps: number;
  /** 1: off. */
  readonly guidance: number;
}

/** The name of KRONA_MODEL's own model, among those that were pulled. */
export const DEFAULT_MODEL = 'default';

export interface ModelCard {
  /** Folder name, e.g. `krona-emoji`. */
  readonly name: string;
  readonly architecture: string;
  /** Side of the pictures it was trained on, pixels. */
  readonly nativeSize: number;
  /** Width and height must be multiples of this. */
  readonly sizeMultiple: number;
  /** The UNet's attention, which adapters change by default. */
  readonly projections: readonly ProjectionShape[];
  /** Those of the other targets; missing where an earlier release has described the model. */
  readonly furtherProjections?: Readonly<Record<Exclude<Target, 'attention'>, readonly ProjectionShape[]>>;
  /** Its noise ends without any signal (arXiv 2305.08891); missing: it does not. */
  readonly zeroTerminalSnr?: boolean;
  /** Its UNet reads a mask and the masked picture; missing: it does not. */
  readonly inpainting?: true;
  /** Name of the model that the worker refines pictures with; missing where it has none. */
  readonly refiner?: string;
  /** Steps and guidance that it was distilled for; missing: it was not. */
  readonly fewSteps?: Pick<SpeedFile, 'steps' | 'guidance'>;
  /** Adapters for few steps that the worker has for it; missing where it has none. */
  readonly speeds?: readonly SpeedFile[];
  /** What the worker computes on; missing where an earlier release has described it. */
  readonly computer?: Computer;
}

/** Models drawing at this size or less, pixels, start with the embedded model's settings. */
export const SMALL_MODEL = 256;

/** The projections of a model that a training of these targets changes. */
export function trainedProjections(
  targets: readonly Target[],
  { projections, furtherProjections }: ModelCard,
): ProjectionShape[] {
  return targets.flatMap((target) =>
    target === 'attention' ? projections : (furtherProjections?.[target] ?? []),
  );
}
