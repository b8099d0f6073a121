/** @file What the page knows: one object, replaced at every change. */
import {
  ADMINISTRATION,
  type ChannelView,
  type CommandView,
  FIRST_CHANNEL,
  GALLERY,
  type LineView,
  type MemberView,
  type PictureVotes,
  type WhisperView,
} from '../protocol.ts';
import { type Draft, isEmpty, newDraft } from './draft.ts';

/** A message on its way: shown at once, replaced by the bot's own line of the same id. */
export interface Sending {
  readonly draft: Draft;
  readonly at: number;
  readonly error: string | null;
}

/** Reactions by set. */
export type Votes = Readonly<Record<string, readonly PictureVotes[]>>;

export interface State {
  readonly phase: 'starting' | 'keyless' | 'nameless' | 'ready';
  readonly online: boolean;
  readonly me: MemberView | null;
  readonly moderator: boolean;
  /** The administrator's page is shown in place of the channel. */
  readonly administering: boolean;
  /** The gallery of the channel is shown in place of the conversation. */
  readonly browsing: boolean;
  /** The picture of which a part is being painted; null: none. */
  readonly brushing: { readonly link: string; readonly alt: string } | null;
  readonly channels: readonly ChannelView[];
  readonly commands: readonly CommandView[];
  readonly channelId: string;
  readonly unread: ReadonlySet<string>;
  readonly here: readonly MemberView[];
  /** null until the channel has come. */
  readonly lines: readonly LineView[] | null;
  /** The place before which there are earlier lines; null: none. */
  readonly earlier: number | null;
  /** Earlier lines are on their way. */
  readonly fetching: boolean;
  /** Members in `here` are some of so many. */
  readonly hereCount: number;
  /** One's own unsent changes included. */
  readonly votes: Votes;
  readonly whispers: readonly WhisperView[];
  readonly sending: readonly Sending[];
  readonly pressed: readonly { readonly id: string; readonly lineId: string; readonly action: string }[];
  /** Messages of which the answer has not come yet. */
  readonly awaited: ReadonlySet<string>;
  /** The message being written in this channel. */
  readonly draft: Draft;
  /** Those in other channels, by channel. */
  readonly drafts: ReadonlyMap<string, Draft>;
  readonly notice: string | null;
  /** What keeps Krona from working. */
  readonly outage: string | null;
}

/** Whether the page's address is that of the administrator's page. */
export const isAdministration = (): boolean => location.hash.slice(1) === ADMINISTRATION;

/** Whether the page's address is that of a channel's gallery. */
export const isGallery = (): boolean => location.hash.endsWith(GALLERY);

/** The address of a channel, or of its gallery. */
export const addressOf = (channelId: string, what: typeof GALLERY | '' = ''): string =>
  `#${encodeURIComponent(channelId)}${what}`;

/** The channel that the page's address names; an address that can't be read is the first channel's. */
export function channelOfAddress(): string {
  try {
    const named = isGallery() ? location.hash.slice(0, -GALLERY.length) : location.hash;
    return (isAdministration() ? '' : decodeURIComponent(named.slice(1))) || FIRST_CHANNEL;
  } catch {
    return FIRST_CHANNEL;
  }
}

/** What belongs to one channel, as it is before the channel has come. */
const UNKNOWN_CHANNEL = {
  here: [],
  hereCount: 0,
  lines: null,
  earlier: null,
  fetching: false,
  votes: {},
  whispers: [],
  sending: [],
  notice: null,
} as const;

export const initialState = (): State => ({
  ...UNKNOWN_CHANNEL,
  phase: 'starting',
  online: false,
  me: null,
  moderator: false,
  administering: isAdministration(),
  browsing: isGallery(),
  brushing: null,
  channels: [],
  commands: [],
  channelId: channelOfAddress(),
  unread: new Set(),
  pressed: [],
  awaited: new Set(),
  draft: newDraft(),
  drafts: new Map(),
  outage: null,
});

/** The change that shows another channel. What is being written stays where it is being written. */
export function opened({ unread, drafts, draft, channelId: left }: State, channelId: string): Partial<State> {
  return {
    ...UNKNOWN_CHANNEL,
    channelId,
    unread: without(unread, channelId),
    draft: drafts.get(channelId) ?? newDraft(),
    drafts: withDraft(drafts, left, draft),
  };
}

/** Drafts with one changed; an empty one is forgotten. */
export function withDraft(
  drafts: ReadonlyMap<string, Draft>,
  channelId: string,
  draft: Draft,
): ReadonlyMap<string, Draft> {
  const changed = new Map(drafts);
  if (isEmpty(draft)) changed.delete(channelId);
  else changed.set(channelId, draft);
  return changed;
}

export function without<T>(set: ReadonlySet<T>, value: T): ReadonlySet<T> {
  const rest = new Set(set);
  rest.delete(value);
  return rest;
}

/** Lines with changed ones merged in, in their order; a page may get an older state after a newer one. */
export function mergedLines(known: readonly LineView[], changed: readonly LineView[]): LineView[] {
  const lines = new Map(known.map((line) => [line.id, line]));
  for (const line of changed) {
    if ((lines.get(line.id)?.revision ?? -1) > line.revision) continue;
    if (line.body.kind === 'gone') lines.delete(line.id);
    else lines.set(line.id, line);
  }
  return [...lines.values()].sort((a, b) => a.place - b.place);
}

/** The change when a message or press has been handled. */
export const settled = ({ awaited, pressed, sending }: State, id: string): Partial<State> => ({
  awaited: without(awaited, id),
  pressed: pressed.filter((press) => press.id !== id),
  sending: sending.filter(({ draft, error }) => draft.id !== id || error !== null),
});
