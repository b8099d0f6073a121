/** @file The rules of channels and servers: who can do what, how much, and which words are refused. */
import type { Channel, Platform } from './records.ts';
import { SMALL_MODEL, type ModelCard } from './settings/model-card.ts';

/** What can be limited to some members. */
export const RIGHTS = ['train', 'imagine', 'settings'] as const;
export type Right = (typeof RIGHTS)[number];

/** Who has a right: everyone, only moderators, or members with one of these roles (the platform's ids). */
export type Who = 'everyone' | 'moderators' | readonly string[];

/** Limits; null: no limit. */
export interface Quota {
  /** Trainings started in 24 hours. */
  readonly trainings: number | null;
  /** Pictures requested in an hour. */
  readonly pictures: number | null;
  /** Trainings and picture sets queued or running at once. */
  readonly open: number | null;
  /** Photos sent in 24 hours. */
  readonly photos: number | null;
  /** Photos, pictures and adapters that are stored, MiB. */
  readonly storage: number | null;
}

/**
 * What happens to adult (NSFW) images: `off`: pictures are not checked; `spoiler`: they are hidden until a member asks
 * to see them; `block`: they are held back.
 */
export const SAFETY = ['off', 'spoiler', 'block'] as const;
export type Safety = (typeof SAFETY)[number];

export interface ChannelRules {
  readonly who: Readonly<Record<Right, Who>>;
  /** Ids of member records. */
  readonly blocked: readonly string[];
  /** Words and phrases that are refused in prompts and names, as moderators typed them. */
  readonly words: readonly string[];
  /** null: chosen by `safetyIn`. */
  readonly safety: Safety | null;
  /** The safety check acts above this probability, percent. */
  readonly safetyPercent: number;
  /** Picture files carry their prompt and settings (core/pictures/png-parameters.ts). */
  readonly parameters: boolean;
  readonly member: Quota;
  readonly channel: Quota;
}

/** What rules and quotas hold for: a channel with its threads, or a whole server (workspace on Slack). */
export type Reach = 'channel' | 'server';

/** The rules of a server or workspace, set by those who manage it. They hold in all its channels, beside each channel's. */
export interface ServerRules {
  /** Ids of member records. */
  readonly blocked: readonly string[];
  readonly member: Quota;
  readonly server: Quota;
}

/** More than a channel's, so that they only end what would grow with the number of channels. */
export const DEFAULT_SERVER_RULES: ServerRules = {
  blocked: [],
  member: { trainings: 20, pictures: 240, open: 20, photos: 600, storage: 10_000 },
  server: { trainings: 200, pictures: 4000, open: 1000, photos: 6000, storage: 100_000 },
};

const UNLIMITED: Quota = { trainings: null, pictures: null, open: null, photos: null, storage: null };

/** Limits of a channel that strangers reach. */
export const LIMITS: Pick<ChannelRules, 'member' | 'channel'> = {
  member: { trainings: 10, pictures: 120, open: 10, photos: 300, storage: 5_000 },
  channel: { trainings: 50, pictures: 1000, open: 250, photos: 3000, storage: 50_000 },
};

/** Returns the rules of a new channel. The web chat has no limits on its own machine; elsewhere it starts with LIMITS. */
export function defaultRules(platform: Platform): ChannelRules {
  const limits = platform === 'web' ? { member: UNLIMITED, channel: UNLIMITED } : LIMITS;
  return {
    who: { train: 'everyone', imagine: 'everyone', settings: 'everyone' },
    blocked: [],
    words: [],
    safety: null,
    // Of 480 harmless pictures, 2 were above.
    safetyPercent: 50,
    parameters: true,
    ...limits,
  };
}

/**
 * Returns what the safety check does in a channel. Unless moderators chose otherwise, adult images are held back. They
 * are only hidden where the platform admits only adults, and with small models, which draw pictograms: there, most
 * findings are false alarms. The web chat, run for people its operator knows, hides them, and doesn't check small models.
 *
 * @param model null: unknown so far
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
