/** @file What the page knows and does. One state object, replaced at every change; components read it with useStore. */
import { useLayoutEffect, useState } from 'preact/hooks';
import type {
  ChannelView,
  CommandView,
  LineView,
  MemberView,
  PictureVotes,
  ServerMessage,
  WhisperView,
} from '../protocol.ts';
import { ApiError, get, send } from './api.ts';
import { type Connection, connect } from './connection.ts';
import { type Draft, newDraft, newId, newPhoto } from './draft.ts';

/** Lines shown at first, and by how many `earlier` goes back. */
const PAGE = 60;

/** A message on its way: shown at once, replaced by the bot's own line of the same id. */
export interface Sending {
  readonly draft: Draft;
  readonly at: number;
  readonly error: string | null;
}

export interface VoteChange {
  readonly channelId: string;
  readonly setId: string;
  readonly pictureId: string;
  readonly emoji: string;
  readonly added: boolean;
}

export interface State {
  readonly phase: 'starting' | 'nameless' | 'ready';
  readonly online: boolean;
  readonly me: MemberView | null;
  readonly channels: readonly ChannelView[];
  readonly commands: readonly CommandView[];
  readonly channelId: string;
  readonly unread: ReadonlySet<string>;
  readonly here: readonly MemberView[];
  /** null until the channel has come. */
  readonly lines: readonly LineView[] | null;
  readonly more: boolean;
  /** Reactions by set, one's own unsent changes included. */
  readonly votes: Readonly<Record<string, readonly PictureVotes[]>>;
  readonly whispers: readonly WhisperView[];
  readonly sending: readonly Sending[];
  readonly pressed: readonly { readonly id: string; readonly lineId: string; readonly action: string }[];
  /** Messages whose answer has not come yet. */
  readonly awaited: ReadonlySet<string>;
  readonly draft: Draft;
  readonly notice: string | null;
}

const channelOfAddress = (): string => decodeURIComponent(location.hash.slice(1)) || 'general';

class Store {
  state: State = {
    phase: 'starting',
    online: false,
    me: null,
    channels: [],
    commands: [],
    channelId: channelOfAddress(),
    unread: new Set(),
    here: [],
    lines: null,
    more: false,
    votes: {},
    whispers: [],
    sending: [],
    pressed: [],
    awaited: new Set(),
    draft: newDraft(),
    notice: null,
  };

  readonly #listeners = new Set<() => void>();
  #connection: Connection | null = null;
  #limit = PAGE;
  #bundle: string | null = null;
  /** The bot's word on reactions, and what this page has changed since. */
  #votes: Record<string, readonly PictureVotes[]> = {};
  readonly #changes = new Map<string, VoteChange>();
  #voting: Promise<void> = Promise.resolve();

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  async start(): Promise<void> {
    window.addEventListener('hashchange', () => this.#open(channelOfAddress()));
    await this.#enter();
  }

  async #enter(): Promise<void> {
    const answer = (await get('/api/me').catch(() => null)) as { me: MemberView | null } | null;
    if (answer === null) setTimeout(() => void this.#enter(), 1_000);
    else if (answer.me === null) this.set({ phase: 'nameless' });
    else {
      this.set({ me: answer.me });
      this.#connect();
    }
  }

  /** Takes or changes one's name. @throws ApiError */
  async rename(name: string): Promise<void> {
    const { me } = (await send('POST', '/api/me', { name })) as { me: MemberView };
    this.set({ me });
    this.#connection?.close();
    this.#connect();
  }

  /** @throws ApiError */
  async addChannel(name: string): Promise<void> {
    const { channel } = (await send('POST', '/api/channels', { name })) as { channel: ChannelView };
    location.hash = encodeURIComponent(channel.id);
  }

  earlier(): void {
    this.#limit += PAGE;
    this.#watch(0);
  }

  /** Sends the draft; on failure it comes back into the composer if that is empty by then. */
  async send(): Promise<void> {
    const { draft, channelId } = this.state;
    const text = draft.text.trim();
    if (text === '' && draft.photos.length === 0) return;
    const sent: Sending = { draft, at: Date.now(), error: null };
    this.set({
      draft: newDraft(),
      notice: null,
      sending: [...this.state.sending.filter((other) => other.draft.id !== draft.id), sent],
      awaited: new Set(this.state.awaited).add(draft.id),
    });
    try {
      const uploads = await Promise.all(draft.photos.map((photo) => photo.sent()));
      await send('POST', `/api/channels/${encodeURIComponent(channelId)}/messages`, {
        id: draft.id,
        text,
        uploads,
      });
    } catch (error) {
      const gone = error instanceof ApiError && error.code === 'UPLOAD_GONE';
      const again = gone ? { ...draft, photos: draft.photos.map((photo) => newPhoto(photo.file)) } : draft;
      this.#failed({ ...sent, draft: again }, error instanceof Error ? error.message : String(error));
    }
  }

  /** Puts a message that did not get through back into the message box. */
  edit(draft: Draft): void {
    this.set({ draft, sending: this.state.sending.filter((other) => other.draft.id !== draft.id) });
  }

  /** Puts text into the message box, beside the photos that wait there. */
  write(text: string): void {
    this.set({ draft: { ...this.state.draft, id: newId(), text }, notice: null });
  }

  async press(lineId: string, action: string): Promise<void> {
    const id = newId();
    this.set({ pressed: [...this.state.pressed, { id, lineId, action }], notice: null });
    try {
      const path = `/api/channels/${encodeURIComponent(this.state.channelId)}/actions`;
      await send('POST', path, { id, action });
    } catch (error) {
      this.set({
        pressed: this.state.pressed.filter((press) => press.id !== id),
        notice: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Shown at once; kept and sent again after a lost connection, so that no vote is lost. */
  vote(vote: Omit<VoteChange, 'channelId'>): void {
    const change = { ...vote, channelId: this.state.channelId };
    this.#changes.set(`${change.pictureId} ${change.emoji}`, change);
    this.#mergeVotes();
    this.#queueVote(change);
  }

  dismiss(id: string): void {
    this.set({ whispers: this.state.whispers.filter((whisper) => whisper.id !== id) });
    void send('DELETE', `/api/whispers/${id}`).catch(() => undefined);
  }

  #connect(): void {
    this.set({ phase: 'ready' });
    this.#connection = connect({
      onMessage: (message) => this.#take(message),
      onUp: () => this.set({ online: true }),
      onDown: () => {
        this.set({ online: false });
        // A browser that has lost its name is not let in again until it says one.
        get('/api/me')
          .then((answer) => (answer as { me: MemberView | null }).me ?? location.reload())
          .catch(() => undefined);
      },
    });
  }

  #open(channelId: string): void {
    if (channelId === this.state.channelId) return;
    const unread = new Set(this.state.unread);
    unread.delete(channelId);
    this.#limit = PAGE;
    this.#votes = {};
    this.set({ channelId, unread, lines: null, more: false, whispers: [], here: [], sending: [], votes: {} });
    this.#watch(0);
  }

  #watch(since: number): void {
    this.#connection?.send({ type: 'watch', channelId: this.state.channelId, since, limit: this.#limit });
  }

  #take(message: ServerMessage): void {
    if ('channelId' in message && message.channelId !== this.state.channelId) {
      if (message.type === 'activity')
        this.set({ unread: new Set(this.state.unread).add(message.channelId) });
      return;
    }
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        return;
      case 'channels':
        this.set({ channels: message.channels });
        return;
      case 'channel':
        if (message.afresh) this.set({ lines: [] });
        this.set({ whispers: message.whispers, more: message.more ?? this.state.more });
        this.#takeLines(message.lines);
        for (const change of this.#changes.values()) this.#queueVote(change);
        return;
      case 'line':
        this.#takeLines([message.line]);
        return;
      case 'votes':
        this.#votes = { ...this.#votes, [message.setId]: message.votes };
        this.#mergeVotes();
        return;
      case 'whisper':
        if (message.whisper.channelId === this.state.channelId)
          this.set({
            whispers: [
              ...this.state.whispers.filter((other) => other.id !== message.whisper.id),
              message.whisper,
            ],
          });
        return;
      case 'unwhisper':
        this.set({ whispers: this.state.whispers.filter((whisper) => whisper.id !== message.id) });
        return;
      case 'settled':
        this.#settled(message.id);
        return;
      case 'here':
        this.set({ here: message.members });
        return;
      case 'nowhere':
        location.hash = '';
        return;
      case 'activity':
      case 'beat':
        return;
    }
  }

  #hello(message: Extract<ServerMessage, { type: 'hello' }>): void {
    // A bot that was updated meanwhile serves another page: take it, unless something is being written.
    if (this.#bundle !== null && this.#bundle !== message.bundle && this.state.draft.text === '') {
      location.reload();
      return;
    }
    this.#bundle = message.bundle;
    // What was under way on the old connection is told by the lines; no `settled` will come for it.
    this.set({ me: message.me, channels: message.channels, pressed: [], awaited: new Set() });
    this.#watch(Math.max(0, ...(this.state.lines ?? []).map((line) => line.revision)));
    if (this.state.commands.length === 0)
      get('/api/commands')
        .then((commands) => this.set({ commands: commands as CommandView[] }))
        .catch(() => undefined);
  }

  #takeLines(changed: readonly LineView[]): void {
    const lines = new Map((this.state.lines ?? []).map((line) => [line.id, line]));
    for (const line of changed)
      if ((lines.get(line.id)?.revision ?? -1) <= line.revision) {
        if (line.body.kind === 'gone') lines.delete(line.id);
        else lines.set(line.id, line);
        if (line.body.kind === 'card' && line.body.card.votesOn !== undefined)
          this.#votes[line.body.card.votesOn] = line.votes ?? [];
      }
    const sorted = [...lines.values()].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
    this.set({
      lines: sorted,
      sending: this.state.sending.filter((sending) => !lines.has(sending.draft.id)),
    });
    this.#mergeVotes();
  }

  #settled(id: string): void {
    const awaited = new Set(this.state.awaited);
    awaited.delete(id);
    this.set({
      awaited,
      pressed: this.state.pressed.filter((press) => press.id !== id),
      sending: this.state.sending.filter((sending) => sending.draft.id !== id || sending.error !== null),
    });
  }

  #failed(sent: Sending, error: string): void {
    const awaited = new Set(this.state.awaited);
    awaited.delete(sent.draft.id);
    const others = this.state.sending.filter((other) => other.draft.id !== sent.draft.id);
    if (this.state.draft.text === '' && this.state.draft.photos.length === 0)
      this.set({ awaited, sending: others, draft: sent.draft, notice: error });
    else this.set({ awaited, sending: [...others, { ...sent, error }] });
  }

  /** One after the other, so that quick clicks arrive in their order. */
  #queueVote(change: VoteChange): void {
    this.#voting = this.#voting.then(() => this.#sendVote(change));
  }

  async #sendVote(change: VoteChange): Promise<void> {
    const key = `${change.pictureId} ${change.emoji}`;
    try {
      const { votes } = (await send(
        'PUT',
        `/api/channels/${encodeURIComponent(change.channelId)}/votes`,
        change,
      )) as { votes: readonly PictureVotes[] };
      this.#votes = { ...this.#votes, [change.setId]: votes };
    } catch (error) {
      if (error instanceof ApiError && (error.code === 'OFFLINE' || error.code.startsWith('HTTP_5'))) return;
      this.set({ notice: error instanceof Error ? error.message : String(error) });
    }
    // A newer click on the same heart stands until its own answer has come.
    if (this.#changes.get(key) === change) this.#changes.delete(key);
    this.#mergeVotes();
  }

  #mergeVotes(): void {
    const votes = { ...this.#votes };
    const me = this.state.me;
    if (me !== null)
      for (const { setId, pictureId, emoji, added } of this.#changes.values()) {
        const standing = votes[setId] ?? [];
        const chip = standing.find((vote) => vote.pictureId === pictureId && vote.emoji === emoji);
        const others = (chip?.members ?? []).filter((member) => member.id !== me.id);
        const members = added ? [...others, me] : others;
        const rest = standing.filter((vote) => vote !== chip);
        votes[setId] = members.length === 0 ? rest : [...rest, { pictureId, emoji, members }];
      }
    this.set({ votes });
  }
}

export const store = new Store();

/** The state, followed: the component draws again when it changes. */
export function useStore(): State {
  const [state, follow] = useState(store.state);
  useLayoutEffect(() => {
    // It may have changed between the drawing and here.
    follow(store.state);
    return store.subscribe(() => follow(store.state));
  }, []);
  return state;
}
