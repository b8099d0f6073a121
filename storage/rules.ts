/** @file What a channel allows: who may do what, how much, and which words. Owned by the channel's moderators. */
import type { Platform } from './records/contract.ts';

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

export interface ChannelRules {
  readonly who: Readonly<Record<Right, Who>>;
  /** Ids of member records. */
  readonly blocked: readonly string[];
  /** Words and phrases that prompts and subjects must not have, as they were given. */
  readonly words: readonly string[];
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
    ...limits,
  };
}
