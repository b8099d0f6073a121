/** @file All that decides what pictures a request gives: the same for the command line and for jobs. */
import { DEFAULT_SETTINGS, type ModelCard, type SchedulerName } from '../../storage/settings.ts';

export interface AdapterUse {
  /** An adapter file. */
  readonly path: string;
  /** Factor on its change of the weights: 1 as trained. */
  readonly strength: number;
}

export interface ImagineOptions {
  /** Model folder. */
  readonly model: string;
  readonly adapters: readonly AdapterUse[];
  readonly prompt: string;
  /** null: as the folder's force_zeros_for_empty_prompt says. */
  readonly negative: string | null;
  /** Denoising steps. */
  readonly steps: number;
  /** Classifier-free guidance scale; 1 turns guidance off. */
  readonly guidance: number;
  /** null: the one that the folder names. */
  readonly scheduler: SchedulerName | null;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  /** Pictures. */
  readonly count: number;
  /** `torch`: the noise that torch's CPU generator gives for the seed, so that pictures equal those of diffusers. */
  readonly noise: 'torch' | 'krona';
  /** Folder for the pictures, made if absent. */
  readonly out: string;
}

export interface ImagineResult {
  /** Paths of the pictures, in order. */
  readonly images: readonly string[];
  readonly seed: number;
  readonly secondsPerImage: number;
  readonly secondsPerStep: number;
  /** Largest resident memory of the process that computed, MiB. */
  readonly peakMemoryMiB: number;
}

/** diffusers' defaults for SDXL, with fewer steps (the paper finds 30 to 70 alike). */
const SDXL = { steps: 30, guidance: 5 };
/** Models drawing at this size or less use the embedded model's settings. */
const SMALL = 256;

export function imagineDefaults(
  model: ModelCard,
): Pick<ImagineOptions, 'steps' | 'guidance' | 'width' | 'height'> {
  const { nativeSize } = model;
  const small = { steps: DEFAULT_SETTINGS.samplingSteps, guidance: DEFAULT_SETTINGS.guidance };
  return { ...(nativeSize <= SMALL ? small : SDXL), width: nativeSize, height: nativeSize };
}
