/**
 * @file A chat platform with the real bot in it, as the scenarios see it: members who can do what a person can there,
 * and what they are shown. One implementation a platform; none of them looks behind the platform's surface.
 */
import type { Storage } from '../../storage/open.ts';
import type { Platform } from '../../core/records.ts';

/** How a preview is described. */
export const isPreview = (alt: string | null): boolean => /^Picture \d so far$/.test(alt ?? '');

/** One of the bot's messages as a person reads it. */
export interface Seen {
  /** The platform's own id. */
  readonly id: string;
  /** Everything that can be read on it: title, paragraphs, fields, tables, progress. */
  readonly text: string;
  /** Pictures to look at; a loss curve and a preview are not counted. */
  readonly pictures: number;
  /** What the picture that is being drawn looks like so far, in words; null: it shows none. */
  readonly preview: string | null;
  /** Names of files, attached or linked. */
  readonly files: readonly string[];
  /** Labels of its buttons, and of what can be chosen from its lists. */
  readonly buttons: readonly string[];
}

export interface TestPhoto {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface ChatMember {
  readonly name: string;
  /** Gives photos to a subject in the way that the platform offers: dropped files, a form with its consent box. */
  givePhotos(subject: string, className: string, photos: readonly TestPhoto[]): Promise<void>;
  /** Runs `/krona …` as it would be typed; settles when the platform has delivered it and its answer. */
  run(command: string): Promise<void>;
  /** Begins a set with a picture of a message, from 1. */
  remix(message: Seen, picture: number, prompt: string): Promise<void>;
  /** Has a part of a picture drawn again. */
  edit(picture: TestPhoto, prompt: string, where: string): Promise<void>;
  /** Has a picture enlarged, of which nothing is said. */
  upscale(picture: TestPhoto, by: string): Promise<void>;
  /** Presses the button with that label, or chooses it from a list. */
  press(message: Seen, label: string): Promise<void>;
  /** Votes for a picture, from 1, or takes the vote back. */
  vote(message: Seen, picture: number, added?: boolean): Promise<void>;
  /** What this member alone has been shown, oldest first. */
  whispers(): Promise<Seen[]>;
}

/** What goes wrong at a platform, and is mended again. */
export interface Faults {
  /** The bot's token is revoked, or good again. */
  token(good: boolean): Promise<void>;
  /** The bot may not, or may, write in the channel. */
  posting(allowed: boolean): Promise<void>;
  /** The bot is put out of the place, or let in again. */
  inside(is: boolean): Promise<void>;
  /** Somebody who may deletes one of the bot's messages. */
  deleteMessage(message: Seen): Promise<void>;
  deleteChannel(): Promise<void>;
  /** A member leaves for good. */
  leave(member: ChatMember): Promise<void>;
  /** New messages in the channel are refused for so long, from the next on. */
  limit(seconds: number): Promise<void>;
  /** Reactions of the bot's are, or are not, lost on their way. */
  reactions(lost: boolean): Promise<void>;
  /** How often a limit was told. */
  limited(): Promise<number>;
  /** Nothing of the platform can be reached. */
  networkGone(): Promise<void>;
  /** It can again, so much later; the platform remembers no connection. */
  networkBack(minutesLater: number): Promise<void>;
  /** Every rule of the platform that the bot has broken. */
  violations(): Promise<readonly string[]>;
}

/** A chat in which faults can be made. */
export interface FragileChat extends ChatDriver {
  readonly faults: Faults;
  /** How many numbers to vote with are on a message. */
  numbers(message: Seen): Promise<number>;
  /** What the bot warned and complained of. */
  readonly log: string[];
}

export interface ChatDriver {
  readonly platform: Platform;
  readonly storage: Storage;
  /** The channel's id at the platform. */
  readonly channelId: string;
  /** What a bot process of its own reads its configuration from, to be there in place of the one that is stopped. */
  readonly environment: Readonly<Record<string, string>>;
  member(name: string, options?: { readonly moderator?: boolean }): Promise<ChatMember>;
  /** The bot's messages in the channel as everybody sees them now, oldest first. */
  messages(): Promise<Seen[]>;
  /** How many files of the bot's the platform still has, whoever may see them. */
  files(): Promise<number>;
  /** Somebody deletes a message by the platform's own means. null: there are none. */
  readonly deleteThere: ((message: Seen) => Promise<unknown>) | null;
  /** The platform refuses the next deletion for its rate, for a second. null: it has no limits. */
  readonly limitDeletion: (() => Promise<unknown>) | null;
  /** Whom the bot's messages have pinged so far. */
  pinged(): Promise<string[]>;
  stopBot(): Promise<void>;
  startBot(): Promise<void>;
  close(): Promise<void>;
}
