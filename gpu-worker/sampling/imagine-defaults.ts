/** @file What a request for pictures leaves out, by the model's architecture and the size that it draws at. */
import { DEFAULT_SETTINGS, type ModelCard } from '../../storage/settings.ts';

export interface ImagineDefaults {
  readonly steps: number;
  readonly guidance: number;
  readonly width: number;
  readonly height: number;
}

/** diffusers' guidance for SDXL and for SD, with fewer steps than its 50: DiffuseKronA's paper finds 30 to 70 alike. */
const SDXL = { steps: 30, guidance: 5 };
const SD = { steps: 30, guidance: 7.5 };
/** Models drawing at this size or less use the embedded model's settings. */
const SMALL = 256;

export function imagineDefaults({ nativeSize, architecture }: ModelCard): ImagineDefaults {
  const small = { steps: DEFAULT_SETTINGS.samplingSteps, guidance: DEFAULT_SETTINGS.guidance };
  const large = architecture.startsWith('sdxl') ? SDXL : SD;
  return { ...(nativeSize <= SMALL ? small : large), width: nativeSize, height: nativeSize };
}
