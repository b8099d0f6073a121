/** @file Default values of a request for pictures, by the model's architecture and native size. */
import { startingSettings } from '../../core/settings/defaults.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';

export interface ImagineDefaults {
  readonly steps: number;
  readonly guidance: number;
  readonly width: number;
  readonly height: number;
}

export function imagineDefaults(model: ModelCard): ImagineDefaults {
  const { samplingSteps: steps, guidance } = startingSettings(model);
  return { steps, guidance, width: model.nativeSize, height: model.nativeSize };
}
