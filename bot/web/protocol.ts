/** @file The shapes of what the page and the bot send each other. Times are milliseconds since the epoch. */
import type { Card } from '../../commands/card.ts';
import type { WorkerRecord } from '../../core/workers.ts';
import type { ListedToken } from '../../core/api-tokens.ts';
import type { OverviewChannel, OverviewWork } from '../../core/overview.ts';
import type { Progress } from '../../core/records.ts';

export interface MemberView {
  readonly id: string;
  readonly name: string;
}

export interface ChannelView {
  /** The web chat's own id of the channel, part of the page's address. */
  readonly id: string;
  readonly name: string;
}

/** A photo that came with a line: a small copy, or none where the file is no picture. */
export interface SaidPhoto {
  readonly name: string;
  readonly thumb: string | null;
}

/**
 * A member's text. `state`: `open` while the command is being answered (only its author sees the line), `settled` when
 * everybody sees it, `hidden` when only its author saw the answer.
 */
export interface SaidBody {
  readonly kind: 'said';
  readonly text: string;
  readonly photos: readonly SaidPhoto[];
  readonly state: 'open' | 'settled' | 'hidden';
}

export interface CardBody {
  readonly kind: 'card';
  readonly card: Card;
}

/** A deleted line: a page that has it drops it. */
export interface GoneBody {
  readonly kind: 'gone';
}

/** The body of a web ChatLine; `gone` where that is null. */
export type LineBody = SaidBody | CardBody | GoneBody;

export interface LineView {
  readonly id: string;
  readonly revision: number;
  /** The order of lines. */
  readonly place: number;
  readonly at: number;
  /** null: Krona. */
  readonly member: MemberView | null;
  readonly body: LineBody;
  /** Links of the blobs that the body names, by hash. */
  readonly links: Readonly<Record<string, string>>;
  /** Reactions standing on the pictures of a card that is voted on. */
  readonly votes?: readonly PictureVotes[];
  /** True for a command that was being answered when the bot stopped. */
  readonly interrupted?: boolean;
}

/** A part of a channel's lines. */
export interface LinesBefore {
  readonly lines: readonly LineView[];
  /** The place before which the next earlier lines are; null: these are the first. */
  readonly earlier: number | null;
}

/** Reactions standing on one picture. */
export interface PictureVotes {
  readonly pictureId: string;
  readonly emoji: string;
  readonly members: readonly MemberView[];
}

/** A card that only one member sees. */
export interface WhisperView {
  readonly id: string;
  readonly channelId: string;
  /** The line or button press that it answers. */
  readonly answers: string | null;
  readonly at: number;
  readonly card: Card;
  readonly links: Readonly<Record<string, string>>;
}

export type ServerMessage =
  /** First on every connection. `bundle`: the page's own files; a page with others reloads itself. */
  | {
      readonly type: 'hello';
      readonly bundle: string;
      readonly me: MemberView;
      readonly moderator: boolean;
      readonly channels: readonly ChannelView[];
    }
  | { readonly type: 'channels'; readonly channels: readonly ChannelView[] }
  /**
   * After `watch`: the lines changed since, or `afresh` the newest ones that take the place of all that the page
   * has; where earlier ones begin, as in LinesBefore (left out: as before); the caller's whispers.
   */
  | {
      readonly type: 'channel';
      readonly channelId: string;
      readonly lines: readonly LineView[];
      readonly afresh: boolean;
      readonly earlier?: number | null;
      readonly whispers: readonly WhisperView[];
    }
  | { readonly type: 'line'; readonly channelId: string; readonly line: LineView }
  | {
      readonly type: 'votes';
      readonly channelId: string;
      readonly setId: string;
      readonly votes: readonly PictureVotes[];
    }
  | { readonly type: 'whisper'; readonly whisper: WhisperView }
  | { readonly type: 'unwhisper'; readonly id: string }
  /** A line sent or a button pressed by this member has been dealt with. */
  | { readonly type: 'settled'; readonly id: string }
  /** Who watches the channel: some of them, and how many there are. */
  | {
      readonly type: 'here';
      readonly channelId: string;
      readonly members: readonly MemberView[];
      readonly count: number;
    }
  /** Something happened in a channel that this page does not show. */
  | { readonly type: 'activity'; readonly channelId: string }
  /** The channel does not exist. */
  | { readonly type: 'nowhere'; readonly channelId: string }
  /** What keeps Krona from working, for everybody; null: nothing any more. */
  | { readonly type: 'outage'; readonly text: string | null }
  /** Nothing new; the connection is alive. */
  | { readonly type: 'beat' };

/** Watches a channel: everything with a revision above `since` (0: the newest `limit` lines), and what follows. */
export interface ClientMessage {
  readonly type: 'watch';
  readonly channelId: string;
  readonly since: number;
  readonly limit: number;
}

/** A picture of the gallery. */
export interface GalleryView {
  readonly id: string;
  readonly link: string;
  readonly prompt: string;
  /** Who asked for it. */
  readonly memberName: string;
  readonly likes: number;
  readonly width: number;
  readonly height: number;
}

/** A part of a channel's gallery, the newest first. */
export interface GalleryPart {
  readonly pictures: readonly GalleryView[];
  /** The place before which the next part begins; null: these are the last. */
  readonly before: number | null;
}

/** A command as the composer needs it to help a member type. */
export interface OptionView {
  readonly name: string;
  readonly description: string;
  readonly type: 'text' | 'integer' | 'number' | 'flag' | 'photos' | 'picture';
  readonly required: boolean;
  readonly choices: readonly string[];
  /** Suggestions come from the bot while typing. */
  readonly live: boolean;
  /** Takes the text that belongs to no other option. */
  readonly freeText: boolean;
}

export interface CommandView {
  /** `train`, or `photos add` for a command with actions. */
  readonly path: string;
  readonly description: string;
  readonly example: string;
  readonly options: readonly OptionView[];
}

export interface ErrorView {
  readonly code: string;
  readonly message: string;
}

type Times = 'createdAt' | 'startedAt' | 'endedAt';

/** A run or a set, for administrators. */
export type WorkView = Omit<OverviewWork, Times> &
  Readonly<Record<'createdAt', number> & Record<'startedAt' | 'endedAt', number | null>>;

/** An entry of the log, for administrators. */
export interface EntryView {
  readonly id: string;
  readonly action: string;
  readonly details: string;
  readonly at: number;
  readonly channelName: string;
  readonly platform: OverviewWork['platform'];
  /** null: votes. */
  readonly memberName: string | null;
}

/** A token of the REST API, for administrators. */
export type TokenView = Omit<ListedToken, 'createdAt' | 'usedAt'> &
  Readonly<Record<'createdAt', number> & Record<'usedAt', number | null>>;

/** A worker, for administrators. */
export interface WorkerView extends Pick<WorkerRecord, 'id' | 'host' | 'version' | 'models'> {
  /** With its memory, in words. */
  readonly device: string;
  /** What it does now, in words. */
  readonly doing: string;
  /** It takes jobs, and can be told to take no more. */
  readonly canDrain: boolean;
}

/** The rules of a channel, for administrators: as `/krona rules show` tells them. */
export interface RulesView {
  readonly text: readonly string[];
  /** Each with its value. */
  readonly rows: readonly (readonly string[])[];
}

/** What the administrator's page shows. */
export interface SlackView {
  /** Installs the app in a further workspace. */
  readonly installLink: string;
  /** Oldest first; `at` in ms. */
  readonly workspaces: readonly { readonly id: string; readonly name: string; readonly at: number }[];
}

/** A model on the administrator's page. */
export interface ModelView {
  readonly name: string;
  readonly title: string;
  /** `own`: KRONA_MODEL's; `large`: it needs more memory than the worker has. */
  readonly state: 'own' | 'pulled' | 'pulling' | 'absent' | 'large';
  /** On the disk, or to download; null: not known. */
  readonly bytes: number | null;
  /** null: not known. */
  readonly licence: { readonly title: string; readonly url: string; readonly commercial: string } | null;
  readonly pull: { readonly id: string; readonly progress: Progress | null } | null;
  /** The channels in which it draws, as people call them. */
  readonly usedIn: readonly string[];
}

/** The question whether an administrator accepts the licence of a model. */
export interface LicenceView {
  readonly model: string;
  readonly title: string;
  readonly text: readonly string[];
  readonly fields: readonly { readonly name: string; readonly value: string }[];
}

export interface AdministrationView {
  /** What the workers compute on, in sentences. */
  readonly computer: string;
  /** The one that started first comes first. */
  readonly workers: readonly WorkerView[];
  /** Oldest first. */
  readonly open: readonly WorkView[];
  /** The last first. */
  readonly ended: readonly WorkView[];
  /** Bytes; `limit` null: none. */
  readonly disk: {
    readonly free: number;
    readonly size: number;
    readonly stored: number;
    readonly limit: number | null;
  };
  /** Those with the most files first. */
  readonly channels: readonly OverviewChannel[];
  /** KRONA_MODEL's own first, then those of the catalogue. */
  readonly models: readonly ModelView[];
  /** Of the REST API, oldest first. */
  readonly tokens: readonly TokenView[];
  /** Whether tokens can have webhooks. */
  readonly webhooks: boolean;
  /** Slack workspaces in which the app was installed by OAuth; null: it can't be. */
  readonly slack: SlackView | null;
  /** Newest first. */
  readonly log: readonly EntryView[];
}

/** The page's address of what is no channel: no channel's name has a slash. */
export const ADMINISTRATION = '/administration';

/** What follows a channel in the address of its gallery. */
export const GALLERY = '/gallery';

/** The channel that every page starts in. */
export const FIRST_CHANNEL = 'general';

/** Limits that page and bot share. */
export const MAX_TEXT = 8000;
export const MAX_NAME = 32;
/** Lines that a page shows at first. */
export const LINES_OF_PAGE = 60;
/** Lines that each press of “Show earlier messages” adds. */
export const EARLIER_LINES = 200;
/** Pictures of the gallery that a page gets at once. */
export const GALLERY_PART = 40;
/** Most characters of the words to search for. */
export const MAX_SEARCH = 200;
