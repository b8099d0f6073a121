/** @file A picture that is to be drawn. */
import type { Place } from '../../core/prompts/split.ts';
import type { Adapter } from '../../core/records.ts';

export interface PlannedPicture {
  readonly seed: number;
  /** Their changes add up, unless they have places; the record of the picture names the first. */
  readonly adapters: readonly Adapter[];
  /** Where each of them acts alone. */
  readonly places?: readonly Place[];
  /** Where the set's prompt has alternatives: this one, as the model gets it and as the member typed it. */
  readonly own?: { readonly prompt: string; readonly typed: string };
}
