/**
 * @file Stores reactions as vote facts: as they come, and, for those that came while the bot was away, by reading the
 * platform's state when the bot starts. Then it decides champions, too, and adds missing numbers to vote with, as the
 * last process may have died between a vote or post and what follows from it.
 */
import type { Card } from '../commands/card.ts';
import { loadCard } from '../commands/cards/load-card.ts';
import { crownByVotes, recordReaction, storeReaction } from '../commands/votes/react.ts';
import type { CommandContext } from '../commands/contract.ts';
import { isApiMember } from '../core/api-tokens.ts';
import { KronaError } from '../core/errors.ts';
import { pauseAfter } from '../core/backoff.ts';
import { groupBy } from '../core/group.ts';
import type { Channel, Member, PictureSet, Post, VoteFact } from '../core/records.ts';
import { retry } from '../core/retrying.ts';
import type { Gateway, MessagePlace, ReactionEvent, StandingReaction } from './gateway.ts';
import { Lanes } from './lanes.ts';
import { recordedChannel } from './recorded-channel.ts';
import type { Log } from '../core/log.ts';

/** Messages whose reactions are read again at start-up, newest first. */
const READ_AGAIN = 200;
/** Pauses between tries to read reactions, ms: some three minutes in all. */
const PAUSES = { first: 1_000, longest: 60_000 };
const TRIES = 9;
/** Codes of a message that can't be read: it or its channel is deleted, or closed to the bot. */
const UNREADABLE = ['MESSAGE_GONE', 'CHANNEL_GONE', 'POST_FORBIDDEN'];

export class VoteDesk {
  readonly #gateway: Gateway;
  readonly #context: CommandContext;
  readonly #log: Log;
  /** Of each reading under way: the reactions of which the platform has told since it began. */
  readonly #readings = new Set<Set<string>>();
  readonly #lanes = new Lanes();
  readonly #stopping = new AbortController();

  constructor(gateway: Gateway, context: CommandContext, log: Log) {
    this.#gateway = gateway;
    this.#context = context;
    this.#log = log;
  }

  /** Stores a reaction. True also when it changes nothing, or is on a message without a vote. */
  record(event: ReactionEvent): Promise<boolean> {
    const { member, on, emoji } = event;
    if ('messageId' in on)
      for (const told of this.#readings) told.add(keyOf(on.messageId, member.externalId, emoji));
    return this.#inTurn(member.externalId, () => this.#take(event));
  }

  async #take(event: ReactionEvent): Promise<boolean> {
    const { channel: place, member: author, on, emoji, added } = event;
    const { records } = this.#context;
    const { platform } = this.#gateway;
    const channel = await recordedChannel(records, platform, place);
    const pictureId = 'pictureId' in on ? on.pictureId : null;
    const setId =
      'pictureId' in on ? await this.#setOfPicture(on.pictureId) : await this.#setOf(channel, on.messageId);
    if (setId === null) return true;
    // Who is unknown has no vote to remove.
    const member = added
      ? await records.member(platform, author.externalId, author.name)
      : await records.memberByExternalId(platform, author.externalId);
    if (member === null || (!added && (await event.stillStands?.()) === true)) return true;
    if ((await records.set(setId))?.channelId === channel.id)
      await recordReaction({ setId, pictureId, memberId: member.id, emoji, added }, this.#context);
    return true;
  }

  /** Reactions of one member are stored one after the other: those that come, and those that are read. */
  #inTurn<T>(memberId: string, work: () => Promise<T>): Promise<T> {
    return this.#lanes.run(memberId, work);
  }

  /** Tries nothing again from now on. */
  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Brings the records in line with the platform, for the newest messages. Never rejects: what fails is logged, and tried
   * again for some minutes.
   */
  async readAgain(): Promise<void> {
    const { records } = this.#context;
    let unread: readonly Post[] | null = null;
    /** A set of each subject. */
    const sets = new Map<string, PictureSet>();
    await this.#persist(async () => {
      const posts = unread ?? (await records.recentPosts(this.#gateway.platform, READ_AGAIN));
      const failed: Post[] = [];
      let failure: unknown;
      for (const post of posts)
        try {
          const set = await this.#readTarget(post);
          if (set?.subjectId) sets.set(set.subjectId, set);
        } catch (error) {
          failed.push(post);
          failure = error;
        }
      unread = failed;
      if (failed.length > 0) throw failure;
    });
    for (const set of sets.values())
      await crownByVotes(set, this.#context).catch((error: unknown) => {
        this.#log.warn({ error, set: set.id }, 'could not decide a champion by votes');
      });
  }

  /** Brings the records in line with the platform for one message, where it is a vote. Never rejects, as `readAgain`. */
  readMessage({ channel: place, messageId }: MessagePlace): Promise<void> {
    const { records } = this.#context;
    return this.#persist(async () => {
      const channel = await recordedChannel(records, this.#gateway.platform, place);
      const post = await records.postByMessage(channel.id, messageId);
      const set = post && (await this.#readTarget(post));
      if (set) await crownByVotes(set, this.#context);
    });
  }

  async #persist(read: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    let told = false;
    await retry(read, {
      signal,
      pause: (error, failures) => {
        if (!told) this.#log.warn({ error }, 'could not read reactions again; trying for some minutes');
        told = true;
        return failures < TRIES ? pauseAfter(failures, PAUSES) : null;
      },
    }).catch((error: unknown) => {
      if (!signal.aborted) this.#log.error({ error }, 'gave up reading reactions until the next start');
    });
  }

  /** Reads the reactions on a post; returns the set that it is a vote on, null for none. */
  async #readTarget(post: Post): Promise<PictureSet | null> {
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const set = card.votesOn === undefined ? null : await this.#context.records.set(card.votesOn);
    if (set !== null) await this.#readPost(post, set.id, card);
    return set;
  }

  async #readPost(post: Post, setId: string, card: Card): Promise<void> {
    const told = new Set<string>();
    this.#readings.add(told);
    try {
      await this.#compare(post, setId, card, told);
    } finally {
      this.#readings.delete(told);
    }
  }

  /** @param told - reactions that are newer than what is read, and stored as they come */
  async #compare(post: Post, setId: string, card: Card, told: ReadonlySet<string>): Promise<void> {
    const channel = await this.#context.records.channelById(post.channelId);
    if (channel === null || post.messageId === null) return;
    const messageIds = [...post.formerMessageIds, post.messageId];
    const standing: StandingReaction[] = [];
    let complete = true;
    for (const messageId of messageIds) {
      const found = await this.#standingOn(channel, messageId);
      if (found === 'elsewhere') return;
      if (found === 'unreadable') {
        complete = false;
        continue;
      }
      standing.push(...found);
      // The last process may have died before it added the numbers.
      if (messageId === post.messageId) this.#gateway.invite(channel, messageId, card);
    }
    const isTold = (memberId: string, emoji: string) =>
      messageIds.some((messageId) => told.has(keyOf(messageId, memberId, emoji)));
    await this.#reconcile(channel, post, setId, { standing, complete, isTold });
  }

  async #standingOn(
    channel: Channel,
    messageId: string,
  ): Promise<readonly StandingReaction[] | 'unreadable' | 'elsewhere'> {
    try {
      return (await this.#gateway.readReactions(channel, messageId)) ?? 'elsewhere';
    } catch (error) {
      if (error instanceof KronaError && UNREADABLE.includes(error.code)) return 'unreadable';
      throw error;
    }
  }

  async #reconcile(channel: Channel, post: Post, setId: string, read: Read): Promise<void> {
    const { records } = this.#context;
    const { standing, complete, isTold } = read;
    const there = new Map<string, { member: Member; emoji: string }>();
    for (const { member: author, emoji } of standing) {
      const member = await records.member(channel.platform, author.externalId, author.name);
      there.set(`${member.id} ${emoji}`, { member, emoji });
    }
    const here = standingFacts(await records.voteFacts(setId));
    // What was taken back first: a duel counts while this goes on, and votes that never stood together must not decide
    // it. Champions are decided afterwards.
    const missing = complete ? [...here].flatMap(([key, facts]) => (there.has(key) ? [] : facts)) : [];
    const members = await records.members([...new Set(missing.map(({ memberId }) => memberId))]);
    const externalIds = new Map(members.map(({ id, externalId }) => [id, externalId]));
    const change = (externalId: string, reaction: Parameters<typeof storeReaction>[0]) =>
      this.#inTurn(externalId, async () => {
        if (!isTold(externalId, reaction.emoji)) await storeReaction(reaction, this.#context);
      });
    // Votes by the API stand in the records alone.
    const taken = missing.filter(({ memberId }) => !isApiMember(externalIds.get(memberId) ?? ''));
    for (const { pictureId, memberId, emoji } of taken)
      await change(externalIds.get(memberId) ?? '', { setId, pictureId, memberId, emoji, added: false });
    for (const [key, { member, emoji }] of there) {
      // They had their votes deleted, which the platform does not know.
      const erased = member.erasedAt !== null && member.erasedAt > post.createdAt;
      if (here.has(key) || erased) continue;
      await change(member.externalId, { setId, pictureId: null, memberId: member.id, emoji, added: true });
    }
  }

  async #setOfPicture(pictureId: string): Promise<string | null> {
    return (await this.#context.records.picture(pictureId))?.setId ?? null;
  }

  /** The set that a message of ours is the vote on. */
  async #setOf(channel: Channel, messageId: string): Promise<string | null> {
    const post = await this.#context.records.postByMessage(channel.id, messageId);
    if (post === null) return null;
    return (await loadCard(post.kind, post.targetId, this.#context)).votesOn ?? null;
  }
}

/** What was read of a post's messages. */
interface Read {
  readonly standing: readonly StandingReaction[];
  /** False when some reactions can't be read: then no vote is removed. */
  readonly complete: boolean;
  /** Whether the platform has told of a member's reaction since the reading began. */
  readonly isTold: (memberId: string, emoji: string) => boolean;
}

/** @param memberId - the platform's id */
const keyOf = (messageId: string, memberId: string, emoji: string): string =>
  `${messageId} ${memberId} ${emoji}`;

/** The facts whose reactions stand, by member and emoji as the platform spells it: skin tones are reactions of their own. */
function standingFacts(facts: readonly VoteFact[]): Map<string, VoteFact[]> {
  const last = new Map<string, VoteFact>();
  for (const fact of facts) last.set(`${fact.pictureId} ${fact.memberId} ${fact.emoji}`, fact);
  return groupBy(
    [...last.values()].filter(({ added }) => added),
    ({ memberId, emoji }) => `${memberId} ${emoji}`,
  );
}
