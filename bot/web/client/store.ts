/** @file What the page does. Components read its state with useStore. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Backoff } from '../../../core/backoff.ts';
import { FROM_BOT } from '../../file-header.ts';
import { LINES_OF_PAGE, type LinesBefore, type LineView, MAX_TEXT, type ServerMessage } from '../protocol.ts';
import { answerOf, api, ApiError, inChannel, messageOf } from './api.ts';
import { type Connection, connect } from './connection.ts';
import { type Draft, isEmpty, newDraft, newId, newPhoto, tooLong, withFiles } from './draft.ts';
import {
  addressOf,
  channelOfAddress,
  initialState,
  isAdministration,
  isGallery,
  mergedLines,
  opened,
  type Sending,
  settled,
  type State,
  withDraft,
  without,
} from './state.ts';
import { type VoteChange, Voting } from './voting.ts';

class Store {
  state: State = initialState();
  readonly #listeners = new Set<() => void>();
  readonly #voting = new Voting({
    me: () => this.state.me,
    onVotes: (votes) => this.set({ votes }),
    onProblem: (notice) => this.set({ notice }),
  });
  #connection: Connection | null = null;
  #bundle: string | null = null;
  readonly #entering = new Backoff({ first: 1_000, longest: 10_000 });

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  async start(): Promise<void> {
    window.addEventListener('hashchange', () => {
      this.set({ administering: isAdministration(), browsing: isGallery() });
      if (!isAdministration()) this.#open(channelOfAddress());
    });
    await this.#enter();
  }

  async #enter(): Promise<void> {
    const answer = await answerOf(api.me.$get()).catch((error: unknown) => {
      this.set({ outage: messageOf(error) });
      return null;
    });
    if (answer === null) {
      setTimeout(() => void this.#enter(), this.#entering.next());
      return;
    }
    this.set({ outage: null });
    if (answer.me === null) this.set({ phase: answer.keyNeeded ? 'keyless' : 'nameless' });
    else {
      this.set({ me: answer.me });
      this.#connect();
    }
  }

  /** Lets the member of an access key in. @throws ApiError */
  async enterKey(key: string): Promise<void> {
    await answerOf(api.key.$post({ json: { key } }));
    await this.#enter();
  }

  /** A link that lets one new member in. @throws ApiError */
  async invite(): Promise<string> {
    const { query } = await answerOf(api.invitations.$post());
    return location.origin + '/' + query;
  }

  /** Sets or changes the member's name. @throws ApiError */
  async rename(name: string): Promise<void> {
    const { me } = await answerOf(api.me.$post({ json: { name } }));
    this.set({ me });
    this.#connection?.close();
    this.#connect();
  }

  /** @throws ApiError */
  async addChannel(name: string): Promise<void> {
    const { channel } = await answerOf(api.channels.$post({ json: { name } }));
    location.hash = encodeURIComponent(channel.id);
  }

  /** Deletes the channel that is shown. */
  async deleteChannel(): Promise<void> {
    await answerOf(api.channels[':channel'].$delete(inChannel(this.state.channelId))).catch(
      (error: unknown) => this.set({ notice: messageOf(error) }),
    );
  }

  /** Shows earlier lines. */
  async showEarlier(): Promise<void> {
    const { channelId, earlier, fetching } = this.state;
    if (earlier === null || fetching) return;
    this.set({ fetching: true });
    const query = { before: String(earlier) };
    try {
      const request = api.channels[':channel'].lines.$get({ ...inChannel(channelId), query });
      // JSON has left out what the client's type calls undefined.
      const found = (await answerOf(request)) as LinesBefore;
      // Another channel may be shown by now, or this one afresh.
      if (this.state.channelId !== channelId || this.state.earlier !== earlier) return;
      this.set({ earlier: found.earlier });
      this.#takeLines(found.lines);
    } catch (error) {
      this.set({ notice: messageOf(error) });
    } finally {
      if (this.state.channelId === channelId) this.set({ fetching: false });
    }
  }

  /** Sends the draft; on failure it comes back into the composer if that is empty by then. */
  async send(): Promise<void> {
    const { draft, channelId } = this.state;
    const text = draft.text.trim();
    if (isEmpty(draft)) return;
    if (text.length > MAX_TEXT) return this.set({ notice: tooLong(text) });
    const sent: Sending = { draft, at: Date.now(), error: null };
    this.set({
      draft: newDraft(),
      notice: null,
      sending: [...this.state.sending.filter((other) => other.draft.id !== draft.id), sent],
      awaited: new Set(this.state.awaited).add(draft.id),
    });
    try {
      const uploads = await Promise.all(draft.photos.map((photo) => photo.sent()));
      const json = { id: draft.id, text, uploads };
      await answerOf(api.channels[':channel'].messages.$post({ ...inChannel(channelId), json }));
    } catch (error) {
      const gone = error instanceof ApiError && error.code === 'UPLOAD_GONE';
      const again = gone ? { ...draft, photos: draft.photos.map((photo) => newPhoto(photo.file)) } : draft;
      this.#failed(channelId, { ...sent, draft: again }, messageOf(error));
    }
  }

  /** Puts a message that could not be sent back into the message box. */
  edit(draft: Draft): void {
    this.set({ draft, sending: this.state.sending.filter((other) => other.draft.id !== draft.id) });
  }

  /** Puts text into the message box, beside the photos that are there. */
  write(text: string): void {
    this.set({ draft: { ...this.state.draft, id: newId(), text }, notice: null });
  }

  /** Puts a picture of the chat into the message box, to begin with it. */
  async remix(link: string): Promise<void> {
    const file = await this.#fetched(link);
    if (file === null) return;
    const { draft } = this.state;
    const text = draft.text.trim() === '' ? '/krona imagine ' : draft.text;
    this.#writeWith({ ...draft, text }, [file]);
  }

  /** Puts a picture and the mask of the part to draw again into the message box, in place of other photos. */
  async editPart(link: string, mask: Blob): Promise<void> {
    const file = await this.#fetched(link);
    if (file === null) return;
    const { draft } = this.state;
    const words = draft.text.trim();
    const text = words.startsWith('/krona edit')
      ? draft.text
      : `/krona edit ${words.startsWith('/') ? '' : words}`;
    for (const { preview } of draft.photos) URL.revokeObjectURL(preview);
    this.set({ brushing: null });
    this.#writeWith({ ...draft, text, photos: [] }, [
      file,
      new File([mask], 'mask.png', { type: 'image/png' }),
    ]);
  }

  /** A picture of the chat as a file; null, with a notice, when it could not be loaded. */
  async #fetched(link: string): Promise<File | null> {
    // The browser may remember that the link led elsewhere.
    const response = await fetch(link, { cache: 'reload', headers: { [FROM_BOT]: 'yes' } }).catch(() => null);
    if (response?.ok) return new File([await response.blob()], 'picture.png', { type: 'image/png' });
    this.set({ notice: 'The picture could not be loaded. Try again.', brushing: null });
    return null;
  }

  #writeWith(draft: Draft, files: readonly File[]): void {
    this.set(withFiles({ ...draft, id: newId() }, files));
    if (this.state.browsing) location.hash = addressOf(this.state.channelId);
  }

  async press(lineId: string, action: string): Promise<void> {
    const id = newId();
    this.set({ pressed: [...this.state.pressed, { id, lineId, action }], notice: null });
    try {
      const json = { id, action };
      await answerOf(api.channels[':channel'].actions.$post({ ...inChannel(this.state.channelId), json }));
    } catch (error) {
      this.set({
        pressed: this.state.pressed.filter((press) => press.id !== id),
        notice: messageOf(error),
      });
    }
  }

  vote(vote: Omit<VoteChange, 'channelId'>): void {
    this.#voting.vote({ ...vote, channelId: this.state.channelId });
  }

  dismiss(id: string): void {
    this.set({ whispers: this.state.whispers.filter((whisper) => whisper.id !== id) });
    void answerOf(api.whispers[':id'].$delete({ param: { id } })).catch(() => undefined);
  }

  #connect(): void {
    this.set({ phase: 'ready' });
    this.#connection = connect({
      onMessage: (message) => this.#take(message),
      onUp: () => this.set({ online: true }),
      onDown: () => {
        this.set({ online: false });
        // A browser that has lost its name is let in again only with a new one.
        answerOf(api.me.$get())
          .then(({ me }) => me ?? location.reload())
          .catch(() => undefined);
      },
    });
  }

  #open(channelId: string): void {
    if (channelId === this.state.channelId) return;
    this.#voting.forget();
    this.set(opened(this.state, channelId));
    this.#watch(0);
  }

  #watch(since: number): void {
    this.#connection?.send({ type: 'watch', channelId: this.state.channelId, since, limit: LINES_OF_PAGE });
  }

  #take(message: ServerMessage): void {
    const { state } = this;
    if ('channelId' in message && message.channelId !== state.channelId) {
      if (message.type === 'activity') this.set({ unread: new Set(state.unread).add(message.channelId) });
      return;
    }
    switch (message.type) {
      case 'hello':
        return this.#hello(message);
      case 'channels':
        return this.set({ channels: message.channels });
      case 'channel':
        if (message.afresh) this.set({ lines: [] });
        this.set({
          whispers: message.whispers,
          earlier: message.earlier === undefined ? state.earlier : message.earlier,
        });
        this.#takeLines(message.lines);
        return this.#voting.resend();
      case 'line':
        return this.#takeLines([message.line]);
      case 'votes':
        return this.#voting.take(message.setId, message.votes);
      case 'whisper': {
        const { whisper } = message;
        if (whisper.channelId !== state.channelId) return;
        const others = state.whispers.filter(({ id }) => id !== whisper.id);
        return this.set({ whispers: [...others, whisper] });
      }
      case 'unwhisper':
        return this.set({ whispers: state.whispers.filter(({ id }) => id !== message.id) });
      case 'settled':
        return this.set(settled(state, message.id));
      case 'here':
        return this.set({ here: message.members, hereCount: message.count });
      case 'nowhere':
        location.hash = '';
        return;
      case 'outage':
        return this.set({ outage: message.text });
      case 'activity':
      case 'beat':
        return;
    }
  }

  #hello(message: Extract<ServerMessage, { type: 'hello' }>): void {
    // A bot that was updated serves another page: load it, unless something is being written.
    if (this.#bundle !== null && this.#bundle !== message.bundle && this.#isIdle()) {
      location.reload();
      return;
    }
    this.#bundle = message.bundle;
    // The lines tell what became of messages on the old connection; no `settled` will come for them.
    const { me, moderator, channels } = message;
    this.set({ me, moderator, channels, pressed: [], awaited: new Set() });
    this.#watch(Math.max(0, ...(this.state.lines ?? []).map((line) => line.revision)));
    if (this.state.commands.length === 0)
      answerOf(api.commands.$get())
        .then((commands) => this.set({ commands }))
        .catch(() => undefined);
  }

  #takeLines(changed: readonly LineView[]): void {
    const lines = mergedLines(this.state.lines ?? [], changed);
    const ids = new Set(lines.map(({ id }) => id));
    this.set({ lines, sending: this.state.sending.filter(({ draft }) => !ids.has(draft.id)) });
    this.#voting.takeLines(changed);
  }

  /** Nothing is being written, in any channel. */
  #isIdle(): boolean {
    return isEmpty(this.state.draft) && this.state.drafts.size === 0;
  }

  /** Puts what could not be sent back into the message box of its channel, if that is empty by now. */
  #failed(channelId: string, sent: Sending, error: string): void {
    const awaited = without(this.state.awaited, sent.draft.id);
    if (this.state.channelId !== channelId) {
      const waiting = this.state.drafts.has(channelId);
      const drafts = waiting ? this.state.drafts : withDraft(this.state.drafts, channelId, sent.draft);
      return this.set({ awaited, drafts, notice: error });
    }
    const others = this.state.sending.filter((other) => other.draft.id !== sent.draft.id);
    if (isEmpty(this.state.draft)) this.set({ awaited, sending: others, draft: sent.draft, notice: error });
    else this.set({ awaited, sending: [...others, { ...sent, error }] });
  }
}

export const store = new Store();

/** The state, followed: the component renders again when it changes. */
export const useStore = (): State => useSelected((state) => state);

/** A part of the state, followed: the component renders again when that part is another. */
export function useSelected<T>(select: (state: State) => T): T {
  const [, follow] = useState<unknown>(() => select(store.state));
  const selecting = useRef(select);
  selecting.current = select;
  useLayoutEffect(() => {
    const changed = () => follow(() => selecting.current(store.state));
    // It may have changed between rendering and here.
    changed();
    return store.subscribe(changed);
  }, []);
  return select(store.state);
}
