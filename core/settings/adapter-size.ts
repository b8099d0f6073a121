/** @file What a training's settings make, in numbers and words. */
import { targetsOf } from './choices.ts';
import { DEFAULT_SETTINGS } from './defaults.ts';
import { trainedProjections, type ModelCard } from './model-card.ts';
import { CHAT_SETTINGS, inChat, showSetting, type ChannelSettings, type ChatSetting } from './schema.ts';

/**
 * Trained numbers of an adapter: Σ a1·a2 + (out/a1)·(in/a2) of krona, Σ rank·(out + in) of lora; null of full
 * fine-tuning, which changes more than the projections.
 */
export function adapterParameters(settings: ChannelSettings, model: ModelCard): number | null {
  const { method, a1, a2, rank, targets } = settings;
  if (method === 'full') return null;
  return trainedProjections(targetsOf(targets), model).reduce(
    (sum, p) => sum + (method === 'krona' ? a1 * a2 + (p.out / a1) * (p.in / a2) : rank * (p.out + p.in)),
    0,
  );
}

/** What a method adds to a projection, in a word: `4×64`, `rank 8`; '' for full fine-tuning. */
export function adapterSize({ method, a1, a2, rank, alpha }: ChannelSettings): string {
  if (method === 'krona') return `${a1}×${a2}`;
  if (method === 'full') return '';
  return alpha === rank ? `rank ${rank}` : `rank ${rank} alpha ${alpha}`;
}

/** Those that every description of a training has anyway. */
const ALWAYS_SAID: readonly ChatSetting[] = ['method', 'a1', 'a2', 'rank', 'alpha', 'lr', 'steps'];

/** What a channel chose of a training beside its method, as it is typed: `prior 50`, `mask auto`. */
export function trainChoices(settings: ChannelSettings): string[] {
  return CHAT_SETTINGS.train
    .filter((key) => !ALWAYS_SAID.includes(key))
    .filter((key) => settings[key] !== DEFAULT_SETTINGS[key])
    .map((key) => `${inChat(key).name} ${showSetting(settings, key)}`);
}
