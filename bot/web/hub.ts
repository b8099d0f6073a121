/**
 * @file Knows who watches which channel, and tells them what changes. Everything about one channel goes through its lane,
 * so a page never gets an older state after a newer one.
 */
import type { Channel, Member } from '../../core/records.ts';
import { RecentMap } from '../../core/recent.ts';
import { oncePerState } from '../../core/retrying.ts';
import { Lanes } from '../lanes.ts';
import type { Log } from '../../core/log.ts';
import type {
  ChannelView,
  LinesBefore,
  LineView,
  MemberView,
  ServerMessage,
  WhisperView,
} from './protocol.ts';
import type { ConversationViews } from './views.ts';

/** Caller-only cards kept for a member until dismissed; older ones go. */
const MOST_WHISPERS = 20;
/** Members for whom they are kept: in an open chat, strangers can be as many members as they like. */
const MOST_WHISPERED_TO = 1_000;
/** Lines that a returning page gets; when more have changed, it starts afresh. */
const MOST_MISSED = 500;
/** Lines written by another process are found this often, ms. */
const LOOK_EVERY = 1_000;
const BEAT_EVERY = 15_000;
/** Who is here is told at most this often, ms: many come and go at once when a connection is lost or the bot restarts. */
const PRESENCE_EVERY = 500;
/** Open pages of one member. */
const MOST_OF_MEMBER = 50;
/** Members that a page can show as here; the others are counted. */
const MOST_SHOWN = 50;

export interface Viewer {
  readonly member: Member;
  send(message: ServerMessage): void;
}

interface Room {
  readonly channel: Channel;
  readonly viewers: Set<Viewer>;
  /** Highest revision that has been sent to everybody here. */
  revision: number;
  /** A look for changes waits for its turn. */
  looking: boolean;
}

const view = ({ id, name }: MemberView): MemberView => ({ id, name });

/** Only its author sees a line that is being answered, or was answered to them alone. */
const mayRead = (memberId: string, line: LineView): boolean =>
  line.body.kind !== 'said' || line.body.state === 'settled' || line.member?.id === memberId;

export class Hub {
  readonly #views: ConversationViews;
  readonly #failed: (error: unknown) => void;
  readonly #lanes = new Lanes();
  readonly #rooms = new Map<string, Room>();
  readonly #places = new Map<Viewer, Room | null>();
  readonly #whispers = new RecentMap<string, WhisperView[]>(MOST_WHISPERED_TO);
  readonly #timers: NodeJS.Timeout[] = [];
  #outage: string | null = null;
  /** Rooms of which somebody came or went since the last time. */
  readonly #unsettled = new Set<Room>();

  constructor(views: ConversationViews, log: Log) {
    this.#views = views;
    // Every channel is looked at every second.
    this.#failed = oncePerState((error) =>
      log.error({ error }, 'web chat: could not bring a channel up to date'),
    );
  }

  start(): void {
    this.#timers.push(
      setInterval(() => {
        for (const room of this.#rooms.values()) this.refresh(room.channel.externalId);
      }, LOOK_EVERY),
      setInterval(() => this.toAll({ type: 'beat' }), BEAT_EVERY),
      setInterval(() => this.#tellWhoIsHere(), PRESENCE_EVERY),
    );
  }

  async stop(): Promise<void> {
    this.#timers.forEach(clearInterval);
    await this.#lanes.idle();
  }

  /** Takes a viewer in; false when the member has as many as they can. */
  enter(viewer: Viewer): boolean {
    const own = [...this.#places.keys()].filter(({ member }) => member.id === viewer.member.id);
    if (own.length >= MOST_OF_MEMBER) return false;
    this.#places.set(viewer, null);
    if (this.#outage !== null) viewer.send({ type: 'outage', text: this.#outage });
    return true;
  }

  leave(viewer: Viewer): void {
    const room = this.#places.get(viewer);
    this.#places.delete(viewer);
    if (!room) return;
    room.viewers.delete(viewer);
    if (room.viewers.size === 0) this.#rooms.delete(room.channel.externalId);
    else this.#unsettled.add(room);
  }

  /** Sends a viewer the channel's lines, and from then on what changes there. Resolves when they are sent. */
  watch(viewer: Viewer, channel: Channel, since: number, limit: number): Promise<void> {
    return this.#inLane(channel.externalId, async () => {
      if (!this.#places.has(viewer)) return;
      // Before the lines are read: a change in between is then sent again, not lost.
      const newest = await this.#views.newestRevision(channel);
      const missed = since > 0 ? await this.#views.lines(channel, since, MOST_MISSED) : [];
      const afresh = since === 0 || missed.length === MOST_MISSED;
      const page: Partial<LinesBefore> & Pick<LinesBefore, 'lines'> = afresh
        ? await this.linesBefore(viewer.member, channel, null, limit)
        : { lines: missed.filter((line) => mayRead(viewer.member.id, line)) };
      if (!this.#places.has(viewer)) return;

      const before = this.#places.get(viewer);
      if (before && before.channel.id !== channel.id) this.leave(viewer);
      let room = this.#rooms.get(channel.externalId);
      if (room === undefined) {
        room = { channel, viewers: new Set(), revision: newest, looking: false };
        this.#rooms.set(channel.externalId, room);
      }
      room.viewers.add(viewer);
      this.#places.set(viewer, room);
      viewer.send({
        type: 'channel',
        channelId: channel.externalId,
        afresh,
        ...page,
        whispers: this.#whispersOf(viewer.member.id).filter(
          ({ channelId }) => channelId === channel.externalId,
        ),
      });
      this.#unsettled.add(room);
    });
  }

  /** Lines before a place (null: the newest) as a member may read them. */
  async linesBefore(
    member: Member,
    channel: Channel,
    place: number | null,
    limit: number,
  ): Promise<LinesBefore> {
    const lines = await this.#views.linesBefore(channel, place, limit);
    return {
      lines: lines.filter((line) => mayRead(member.id, line)),
      earlier: lines.length < limit ? null : (lines[0]?.place ?? null),
    };
  }

  /** Sends what has changed in a channel since the last look. */
  refresh(channelId: string): void {
    const room = this.#rooms.get(channelId);
    if (room === undefined || room.looking) return;
    room.looking = true;
    void this.#inLane(channelId, async () => {
      room.looking = false;
      const lines = await this.#views.lines(room.channel, room.revision, MOST_MISSED);
      for (const line of lines) {
        room.revision = Math.max(room.revision, line.revision);
        for (const viewer of room.viewers)
          if (mayRead(viewer.member.id, line)) viewer.send({ type: 'line', channelId, line });
      }
    });
  }

  /** Tells members in other channels that something happened in this one. */
  tellElsewhere(channelId: string): void {
    for (const [viewer, room] of this.#places)
      if (room?.channel.externalId !== channelId) viewer.send({ type: 'activity', channelId });
  }

  /** Sends the reactions on a set to everybody in its channel. */
  refreshVotes(channelId: string, setId: string): void {
    void this.#inLane(channelId, async () => {
      const votes = await this.#views.votes(setId);
      for (const viewer of this.#rooms.get(channelId)?.viewers ?? [])
        viewer.send({ type: 'votes', channelId, setId, votes });
    });
  }

  whisper(memberId: string, whisper: WhisperView): void {
    this.#whispers.set(memberId, [...this.#whispersOf(memberId), whisper].slice(-MOST_WHISPERS));
    this.toMember(memberId, { type: 'whisper', whisper });
  }

  dismiss(memberId: string, id: string): void {
    const rest = this.#whispersOf(memberId).filter((whisper) => whisper.id !== id);
    if (rest.length === 0) this.#whispers.delete(memberId);
    else this.#whispers.set(memberId, rest);
    this.toMember(memberId, { type: 'unwhisper', id });
  }

  /** After all that was sent about the channel so far. */
  settled(channelId: string, memberId: string, id: string): void {
    void this.#inLane(channelId, async () => this.toMember(memberId, { type: 'settled', id }));
  }

  /** @param text - what is wrong, to show until it is over; null: nothing */
  tellOutage(text: string | null): void {
    this.#outage = text;
    this.toAll({ type: 'outage', text });
  }

  tellChannels(channels: readonly ChannelView[]): void {
    this.toAll({ type: 'channels', channels });
  }

  /** Sends everybody in a deleted channel elsewhere. */
  close(channelId: string): void {
    const room = this.#rooms.get(channelId);
    if (room === undefined) return;
    this.#rooms.delete(channelId);
    this.#unsettled.delete(room);
    for (const viewer of room.viewers) {
      this.#places.set(viewer, null);
      viewer.send({ type: 'nowhere', channelId });
    }
  }

  toMember(memberId: string, message: ServerMessage): void {
    for (const viewer of this.#places.keys()) if (viewer.member.id === memberId) viewer.send(message);
  }

  toAll(message: ServerMessage): void {
    for (const viewer of this.#places.keys()) viewer.send(message);
  }

  #whispersOf(memberId: string): WhisperView[] {
    return this.#whispers.get(memberId) ?? [];
  }

  #tellWhoIsHere(): void {
    const rooms = [...this.#unsettled];
    this.#unsettled.clear();
    for (const { channel, viewers } of rooms) {
      const members = [...new Map([...viewers].map(({ member }) => [member.id, view(member)])).values()];
      const here = { members: members.slice(0, MOST_SHOWN), count: members.length };
      for (const viewer of viewers) viewer.send({ type: 'here', channelId: channel.externalId, ...here });
    }
  }

  async #inLane(channelId: string, work: () => Promise<void>): Promise<void> {
    await this.#lanes.run(channelId, work).catch(this.#failed);
  }
}
