/**
 * @file Brings the messages that follow a run, a set, a new champion or a ranking up to date: posts them, then edits
 * them when their record has changed, from what the records say alone. A process that dies between posting and noting
 * it leaves a post without a message; the next one asks the gateway again with the same nonce and gets the standing
 * message. So a result is posted exactly once, and nothing is lost but the time in between. The message of what was
 * deleted is taken away; its post stays until that is done.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Card } from '../commands/card.ts';
import { goneCard, loadCard } from '../commands/cards/load-card.ts';
import type { CommandContext } from '../commands/contract.ts';
import { KronaError } from '../core/errors.ts';
import type { Channel, Post } from '../core/records.ts';
import type { Gateway } from './gateway.ts';
import { Lanes } from './lanes.ts';
import type { Log } from '../core/log.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 250;
/** Posts looked at in one go. */
const BATCH = 200;
/** Posts of an earlier process that are looked for at the start. */
const LEFT_OVER = 10_000;
/** How often messages about waiting work are looked at: their place in the queue changes without their record, ms. */
const LOOK_AT_QUEUE_EVERY = 2_000;
/** Of how many messages at a time, in turn: a look costs several questions to the records. */
const PLACES_AT_A_TIME = 10;
/** Pause after a failure, doubled with each that follows, ms. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;
/** The longest where the bot may not post: until somebody has given it the permission, ms. */
const FORBIDDEN_PAUSE = 10 * 60_000;
/** Where the bot may not post for so long, it gives the message up, ms; one that stands there stays known. */
const FORBIDDEN_FOR = 7 * 86_400_000;
/** How long a member's command waits to hear whether its message could be posted, ms. */
const WAIT_FOR_POST = 5_000;

/** What a post shows, as far as it tells when to show it again. */
interface Target {
  readonly revision: number;
  readonly waiting: boolean;
}

interface Pace {
  /** The post is left alone until then (ms since the epoch). */
  readonly until: number;
  readonly failures: number;
  /** When the first of these failures was; without any, when it was shown. */
  readonly since: number;
}

export class Delivery {
  readonly #gateway: Gateway;
  readonly #context: CommandContext;
  readonly #log: Log;
  readonly #lanes = new Lanes();
  readonly #paces = new Map<string, Pace>();
  /** Posts being shown: one that the platform holds up, as by a rate limit, holds up no other channel's. */
  readonly #underWay = new Set<string>();
  /** Posts about work that waits, and the card that each shows, as JSON. */
  readonly #waiting = new Map<string, { readonly post: Post; readonly shown: string }>();
  /**
   * Posts that a process before this one may have tried, and what this one tried in vain: the gateway may give a
   * message for them that shows something older.
   */
  readonly #triedBefore = new Set<string>();
  /** Why messages were given up, by target, for the members who may still wait to hear of them. */
  readonly #gaveUp = new Map<string, KronaError>();
  #queueLookedAt = 0;
  readonly #stopping = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | null = null;

  constructor(gateway: Gateway, context: CommandContext, log: Log) {
    this.#gateway = gateway;
    this.#context = context;
    this.#log = log;
  }

  start(): void {
    this.#running = this.#takeOver()
      .catch((error: unknown) => this.#log.error({ error }, 'could not look for what was left to show'))
      .then(() => this.#run());
  }

  /** Stops after the messages under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause.abort();
    await this.#running;
    await this.#lanes.idle();
  }

  /** Looks at once: something was written that people wait for. */
  hurry(): void {
    this.#pause.abort();
  }

  /**
   * Posts the message of a run or set that was just asked for, and tells what stands in its way: CHANNEL_GONE or
   * POST_FORBIDDEN. null when it was posted, or when that takes long, as on a busy platform; it then follows. One that
   * stands already, as somebody has pressed a button on it, is shown again as soon as its last edit lets it.
   */
  async postNow(targetId: string): Promise<KronaError | null> {
    const late = new AbortController();
    const error = await Promise.race([
      this.#tryNow(targetId),
      sleep(WAIT_FOR_POST, null, { signal: late.signal }).catch(() => null),
    ]);
    late.abort();
    // The look that came before this may have found the channel gone.
    const gaveUp = this.#gaveUp.get(targetId);
    this.#gaveUp.delete(targetId);
    return gaveUp ?? (isCode(error, 'CHANNEL_GONE') || isCode(error, 'POST_FORBIDDEN') ? error : null);
  }

  async #tryNow(targetId: string): Promise<unknown> {
    const post = await this.#context.records.postOf(targetId);
    if (post === null) return null;
    // To be taken away is no edit, so it need not wait for one.
    if (post.messageId === null || post.gone !== null)
      return this.#inTurn(post, () => this.#paced(post, () => this.#show(post)));
    const pace = this.#paces.get(post.id);
    if (pace?.failures === 0) {
      const soonest = pace.since + this.#gateway.editInterval(0);
      this.#paces.set(post.id, { ...pace, until: Math.min(pace.until, soonest) });
    }
    this.hurry();
    return null;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController();
      await this.deliver().catch((error: unknown) => {
        this.#log.error({ error, platform: this.#gateway.platform }, 'could not look for changed messages');
      });
      await sleep(LOOK_EVERY, undefined, { signal: this.#pause.signal }).catch(() => undefined);
    }
  }

  /** One look: begins to show every changed post whose turn has come. */
  async deliver(): Promise<void> {
    const now = Date.now();
    for (const [id, pace] of this.#paces)
      if (pace.until <= now && pace.failures === 0) this.#paces.delete(id);
    // However many posts must wait, as in a channel where the bot may not post: they leave room for others.
    const most = BATCH + this.#paces.size + this.#underWay.size;
    const posts = await this.#context.records.stalePosts(this.#gateway.platform, most);
    for (const post of posts) if (this.#isDue(post, now)) this.#begin(post, () => this.#show(post));
    if (now - this.#queueLookedAt >= LOOK_AT_QUEUE_EVERY) {
      this.#queueLookedAt = now;
      const others = [...this.#waiting].filter(([, { post }]) => this.#isDue(post, now));
      for (const [id, waiting] of others.slice(0, PLACES_AT_A_TIME)) {
        // To the end of the line.
        this.#waiting.delete(id);
        this.#waiting.set(id, waiting);
        this.#begin(waiting.post, () => this.#showPlace(waiting.post, waiting.shown));
      }
    }
  }

  #begin(post: Post, work: () => Promise<void>): void {
    if (this.#underWay.has(post.id)) return;
    this.#underWay.add(post.id);
    void this.#attempt(post, work)
      // As when the database goes away just then; the next look begins again.
      .catch((error: unknown) => this.#log.error({ error, post: post.id }, 'could not show a message'))
      .finally(() => this.#underWay.delete(post.id));
  }

  /** What an earlier process has left: posts that it may have tried, and work that still waits. */
  async #takeOver(): Promise<void> {
    for (const { id } of await this.#context.records.stalePosts(this.#gateway.platform, LEFT_OVER))
      this.#triedBefore.add(id);
    for (const post of await this.#context.records.recentPosts(this.#gateway.platform, BATCH))
      if ((await this.#target(post))?.waiting) this.#waiting.set(post.id, { post, shown: '' });
  }

  /** Work on a post, after other work on it; what is not posted yet also in the order of its channel. */
  #inTurn<T>(post: Post, work: () => Promise<T>): Promise<T> {
    const onPost = () => this.#lanes.run(post.id, work);
    return post.messageId === null ? this.#lanes.run(`channel ${post.channelId}`, onPost) : onPost();
  }

  async #attempt(post: Post, work: () => Promise<void>): Promise<void> {
    await this.#inTurn(post, async () => {
      // It may have been shown while it waited for its turn.
      if (this.#isDue(post, Date.now())) await this.#paced(post, work);
    });
  }

  #isDue({ id, gone }: Post, now: number): boolean {
    const pace = this.#paces.get(id);
    // To be taken away is no edit, so it waits for nothing but the pause after a failure.
    return pace === undefined || pace.until <= now || (gone !== null && pace.failures === 0);
  }

  /** Does the work and sets the time of the next, by how it went. Returns what went wrong. */
  async #paced(post: Post, work: () => Promise<void>): Promise<unknown> {
    try {
      await work();
      const since = Date.now();
      const until = since + this.#gateway.editInterval(since - post.createdAt.getTime());
      this.#paces.set(post.id, { until, failures: 0, since });
      return null;
    } catch (error) {
      const gone = isCode(error, 'CHANNEL_GONE');
      // What stands in the channel is there again when the bot is let in again.
      if (gone && post.messageId === null) {
        await this.#giveUp(post, error);
        return error;
      }
      this.#triedBefore.add(post.id);
      const last = this.#paces.get(post.id);
      const failures = (last?.failures ?? 0) + 1;
      const since = last && last.failures > 0 ? last.since : Date.now();
      const forbidden = gone || isCode(error, 'POST_FORBIDDEN');
      if (forbidden && Date.now() - since > FORBIDDEN_FOR) {
        await this.#giveUp(post, error);
        return error;
      }
      const longest = forbidden ? FORBIDDEN_PAUSE : LAST_PAUSE;
      const pause = Math.min(longest, (forbidden ? 5 : 1) * FIRST_PAUSE * 2 ** (failures - 1));
      this.#paces.set(post.id, { until: Date.now() + pause, failures, since });
      // Of a dead token the gateway has told, once: it is the same for every message.
      if (!(error instanceof KronaError && error.code.endsWith('_TOKEN_INVALID')))
        this.#log.warn({ error, post: post.id, again: pause }, 'could not show a message');
      return error;
    }
  }

  async #show({ id }: Post): Promise<void> {
    const { records } = this.#context;
    // Read again, as it waited for its turn: it may have been shown, or have ended.
    const post = await records.post(id);
    const channel = post && (await records.channelById(post.channelId));
    if (post === null || channel === null) {
      this.#waiting.delete(id);
      return;
    }
    if (post.gone !== null) {
      await this.#end(channel, post, goneCard(post.kind, post.gone));
      return;
    }
    // Read before the card: when the record changes in between, the message counts as older and is shown again.
    const target = await this.#target(post);
    if (target === null || (post.messageId !== null && target.revision <= post.shownRevision)) return;
    this.#waiting.delete(id);
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const messageId =
      post.messageId === null
        ? await this.#post(channel, post, card, post.id)
        : await this.#edit(channel, post, post.messageId, card);
    if (post.kind === 'champion' || post.kind === 'ranking') {
      // They change only by a deletion: a message that this one took the place of still shows what was deleted.
      const former = new Set(post.formerMessageIds).add(post.messageId ?? messageId);
      former.delete(messageId);
      await this.#takeAway(channel, former, card);
    }
    await records.markPost(post.id, messageId, target.revision);
    if (target.waiting)
      this.#waiting.set(post.id, { post: { ...post, messageId }, shown: JSON.stringify(card) });
  }

  /** Takes away the messages of what was deleted. @param card - for messages that the bot may not delete */
  async #end(channel: Channel, post: Post, card: Card): Promise<void> {
    const messageIds = [...post.formerMessageIds];
    if (post.messageId !== null) messageIds.push(post.messageId);
    // A process that died may have posted it without noting that: its nonce finds it.
    else if (this.#triedBefore.has(post.id))
      messageIds.push(await this.#gateway.post(channel, card, post.id));
    await this.#takeAway(channel, messageIds, card);
    await this.#forget(post.id);
  }

  /** @param card - for messages that the bot may not delete */
  async #takeAway(channel: Channel, messageIds: Iterable<string>, card: Card): Promise<void> {
    for (const messageId of messageIds)
      try {
        await this.#gateway.remove(channel, messageId);
      } catch (error) {
        if (!isCode(error, 'DELETE_FORBIDDEN')) throw error;
        await this.#gateway.edit(channel, messageId, card).catch((failure: unknown) => {
          if (!isCode(failure, 'MESSAGE_GONE') && !isCode(failure, 'MESSAGE_STALE')) throw failure;
        });
      }
  }

  /** Shows the place in the queue when it has changed. */
  async #showPlace(post: Post, shown: string): Promise<void> {
    const channel = await this.#context.records.channelById(post.channelId);
    const target = await this.#target(post);
    if (channel === null || post.messageId === null || !target?.waiting) {
      this.#waiting.delete(post.id);
      return;
    }
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const now = JSON.stringify(card);
    if (now === shown) return;
    const messageId = await this.#edit(channel, post, post.messageId, card);
    this.#waiting.set(post.id, { post: { ...post, messageId }, shown: now });
  }

  /** Returns the message that shows the card now: another one, when the platform takes no more edits of this. */
  async #edit(channel: Channel, post: Post, messageId: string, card: Card): Promise<string> {
    try {
      await this.#gateway.edit(channel, messageId, card);
      return messageId;
    } catch (error) {
      // Somebody deleted the message at the platform: what was in it is not wanted there.
      if (isCode(error, 'MESSAGE_GONE')) return messageId;
      if (!isCode(error, 'MESSAGE_STALE')) throw error;
    }
    const next = await this.#post(channel, post, card, nonceAfter(post.id, messageId));
    await this.#context.records.markPost(post.id, next, post.shownRevision);
    return next;
  }

  /** Posts the message of a post, or finds it standing: then it is made to show the card. */
  async #post(channel: Channel, post: Post, card: Card, nonce: string): Promise<string> {
    const messageId = await this.#gateway.post(channel, card, nonce);
    if (this.#triedBefore.delete(post.id))
      await this.#gateway.edit(channel, messageId, card).catch((error: unknown) => {
        if (!isCode(error, 'MESSAGE_GONE')) throw error;
      });
    return messageId;
  }

  /**
   * The platform no longer has the channel, or has put the bot out of it: there is nobody to show it to. What was made
   * stays in the records. So does a message that stands there, as reactions and deletion find it by its post: it is
   * tried again when its record changes.
   */
  async #giveUp({ id, targetId }: Post, error: KronaError): Promise<void> {
    const { records } = this.#context;
    if (this.#gaveUp.size >= BATCH) this.#gaveUp.clear();
    this.#gaveUp.set(targetId, error);
    this.#log.info({ error, post: id }, 'gave up a message, as its channel is gone or closed to Krona');
    try {
      const post = await records.post(id);
      const target = post?.gone === null ? await this.#target(post) : null;
      if (target === null || !post?.messageId) await this.#forget(id);
      else {
        await records.markPost(id, post.messageId, target.revision);
        this.#waiting.delete(id);
        this.#paces.delete(id);
      }
    } catch (failure) {
      this.#log.warn({ error: failure, post: id }, 'could not forget a message');
    }
  }

  async #forget(id: string): Promise<void> {
    await this.#context.records.removePost(id);
    this.#paces.delete(id);
    this.#waiting.delete(id);
    this.#triedBefore.delete(id);
  }

  async #target({ kind, targetId }: Post): Promise<Target | null> {
    const { records } = this.#context;
    if (kind === 'champion') {
      const change = await records.championChange(targetId);
      return change && { revision: 0, waiting: false };
    }
    if (kind === 'ranking') {
      const ranking = await records.ranking(targetId);
      return ranking && { revision: ranking.revision, waiting: false };
    }
    const record = kind === 'run' ? await records.run(targetId) : await records.set(targetId);
    return record && { revision: record.revision, waiting: record.state === 'queued' };
  }
}

function isCode(error: unknown, code: string): error is KronaError {
  return error instanceof KronaError && error.code === code;
}

/**
 * The nonce of the message that takes the place of another: the same in every process, so that one that dies after
 * posting it posts no second. A UUID of version 8 (RFC 9562 §5.8) from a hash.
 */
function nonceAfter(postId: string, messageId: string): string {
  const hash = createHash('sha256').update(`${postId} ${messageId}`).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
