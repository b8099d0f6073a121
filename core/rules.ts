/** @file What a channel allows: who may do what, how much, and which words. Owned by the channel's moderators. */
import type { Channel, Platform } from './records.ts';
import { SMALL_MODEL, type ModelCard } from './settings/model-card.ts';

/** What can be reserved for some members. */
export const RIGHTS = ['train', 'imagine', 'settings'] as const;
export type Right = (typeof RIGHTS)[number];

/** Who has a right: everybody, moderators alone, or whoever has one of these roles (the platform's ids). */
export type Who = 'everyone' | 'moderators' | readonly string[];

/** Most of something; null: no limit. */
export interface Quota {
  /** Trainings begun in 24 hours. */
  readonly trainings: number | null;
  /** Pictures asked for in an hour. */
  readonly pictures: number | null;
  /** Trainings and sets of pictures that wait or run at once. */
  readonly open: number | null;
}

/**
 * What becomes of pictures that the safety check takes for pictures for adults alone: `off`: nothing is checked;
 * `spoiler`: they are hidden until somebody asks to see them; `block`: nobody gets them.
 */
export const SAFETY = ['off', 'spoiler', 'block'] as const;
export type Safety = (typeof SAFETY)[number];

export interface ChannelRules {
  readonly who: Readonly<Record<Right, Who>>;
  /** Ids of member records. */
  readonly blocked: readonly string[];
  /** Words and phrases that prompts and subjects must not have, as they were given. */
  readonly words: readonly string[];
  /** null: as `safetyIn` finds right for the place and the model. */
  readonly safety: Safety | null;
  /** The check acts on a picture when it is surer than this, percent. */
  readonly safetyPercent: number;
  readonly member: Quota;
  readonly channel: Quota;
}

const UNLIMITED: Quota = { trainings: null, pictures: null, open: null };

/** What a channel allows before its moderators say anything. Whoever runs the web chat runs it for people he knows. */
export function defaultRules(platform: Platform): ChannelRules {
  const limits =
    platform === 'web'
      ? { member: UNLIMITED, channel: UNLIMITED }
      : {
          member: { trainings: 10, pictures: 120, open: 10 },
          channel: { trainings: 50, pictures: 1000, open: 250 },
        };
  return {
    who: { train: 'everyone', imagine: 'everyone', settings: 'everyone' },
    blocked: [],
    words: [],
    safety: null,
    // Of 480 drawings of harmless things, 2 were above.
    safetyPercent: 50,
    ...limits,
  };
}

/**
 * What the safety check does in a channel. Without a word of its moderators it holds back, but hides where the platform
 * lets adults alone in, and with small models, which draw pictograms: what it finds in these is mostly false alarms. In
 * the web chat, which somebody runs for himself and people he knows, it hides, and looks at nothing of small models.
 *
 * @param model null: not known yet
 */
export function safetyIn(
  { safety }: Pick<ChannelRules, 'safety'>,
  { platform, ageRestricted }: Pick<Channel, 'platform' | 'ageRestricted'>,
  model: Pick<ModelCard, 'nativeSize'> | null,
): Safety {
  if (safety !== null) return safety;
  const small = model !== null && model.nativeSize <= SMALL_MODEL;
  if (platform === 'web') return small ? 'off' : 'spoiler';
  return small || ageRestricted ? 'spoiler' : 'block';
}
