/**
 * @file Keeps the messages that follow a run, a set, a new champion or a ranking up to date. A process that dies between
 * posting and noting it leaves a post without a message; the next one asks the gateway again with the same nonce and
 * gets the standing message. So a result is posted exactly once, and nothing is lost but the time in between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandContext } from '../../commands/contract.ts';
import { pauseAfter } from '../../core/backoff.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Post } from '../../core/records.ts';
import { traced } from '../../core/tracing.ts';
import { oncePerState, repeat, retry } from '../../core/retrying.ts';
import type { Gateway } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import { UnderWay } from '../under-way.ts';
import { GivenUp, isForbidden, isHopeless } from './giving-up.ts';
import { Pacing } from './pacing.ts';
import { Showing } from './showing.ts';
import { targetOf } from './target.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 250;
/** Pauses after looks that fail. */
const PAUSES = { first: 500, longest: 10_000 };
/** Posts looked at in one go. */
const BATCH = 200;
/** Posts of an earlier process that are looked for at the start. */
const LEFT_OVER = 10_000;
/** How often messages about queued work are looked at: their position changes without their record, ms. */
const LOOK_AT_QUEUE_EVERY = 2_000;
/** Of how many messages at a time, in turn: each look costs several queries. */
const POSITIONS_AT_A_TIME = 10;
/** How long a member's command waits to hear whether its message could be posted, ms. */
const WAIT_FOR_POST = 5_000;

export class Delivery {
  readonly #gateway: Gateway;
  readonly #context: CommandContext;
  readonly #log: Log;
  readonly #lanes = new Lanes();
  readonly #pacing = new Pacing();
  readonly #showing: Showing;
  readonly #givenUp = new GivenUp();
  /** Posts being shown: one that the platform delays, as by a rate limit, delays no other channel's. */
  readonly #underWay: UnderWay;
  #queueLookedAt = -Infinity;
  readonly #stopping = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | null = null;

  /** Logs a failure; for all messages once, as of a lost database. */
  readonly #notShown: (error: unknown, post: string, again: number) => void;

  constructor(gateway: Gateway, context: CommandContext, log: Log) {
    this.#gateway = gateway;
    this.#context = context;
    this.#log = log;
    this.#showing = new Showing(gateway, context);
    this.#notShown = oncePerState((error: unknown, post: string, again: number) =>
      log.warn({ error, post, again }, 'could not show a message'),
    );
    // As when the database goes away just then; the next look begins again.
    this.#underWay = new UnderWay((error) => log.error({ error }, 'could not show a message'));
  }

  start(): void {
    const { signal } = this.#stopping;
    // Without it, a message that an earlier process posted would show something older, or stay after a deletion.
    const takingOver = retry(() => this.#takeOver(), {
      signal,
      pause: (error, failures) => {
        if (failures === 1)
          this.#log.error({ error }, 'could not look for unfinished messages; trying again');
        return pauseAfter(failures, PAUSES);
      },
    });
    this.#running = takingOver.catch(() => undefined).then(() => this.#run());
  }

  /** Stops after the messages under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause.abort();
    await this.#running;
    await this.#underWay.idle();
    await this.#lanes.idle();
  }

  /** Looks at once: something was written that people wait for. */
  hurry(): void {
    this.#pause.abort();
  }

  /**
   * Posts the message of a run or set that was just asked for. A message that stands already, as somebody has pressed a
   * button on it, is shown again as soon as its last edit allows.
   *
   * @returns CHANNEL_GONE or POST_FORBIDDEN when that prevented it; null when the message was posted, or follows later
   * because the platform is busy or the database away: the request itself is stored
   */
  async postNow(targetId: string): Promise<KronaError | null> {
    const late = new AbortController();
    const error = await Promise.race([
      this.#tryNow(targetId).catch((error: unknown) => this.#notShown(error, targetId, 0)),
      sleep(WAIT_FOR_POST, null, { signal: late.signal }).catch(() => null),
    ]);
    late.abort();
    // An earlier look may have found the channel gone.
    return this.#givenUp.take(targetId) ?? (isForbidden(error) ? error : null);
  }

  /** One look: begins to show every changed post that is due. */
  async deliver(): Promise<void> {
    this.#pacing.sweep();
    // However many posts must wait, as in a channel where the bot can't post, they leave room for others.
    const most = BATCH + this.#pacing.waiting + this.#underWay.size;
    for (const post of await this.#context.records.stalePosts(this.#gateway.platform, most))
      if (this.#isDue(post)) this.#begin(post, () => this.#showing.show(post));
    if (performance.now() - this.#queueLookedAt < LOOK_AT_QUEUE_EVERY) return;
    this.#queueLookedAt = performance.now();
    const { queued } = this.#showing;
    const due = [...queued.values()].filter(({ post }) => this.#isDue(post));
    for (const each of due.slice(0, POSITIONS_AT_A_TIME)) {
      // Others come first next time.
      queued.delete(each.post.id);
      queued.set(each.post.id, each);
      this.#begin(each.post, () => this.#showing.showPosition(each));
    }
  }

  #run(): Promise<void> {
    const { platform } = this.#gateway;
    return repeat(() => this.deliver(), {
      every: LOOK_EVERY,
      pauses: PAUSES,
      signal: this.#stopping.signal,
      hurry: () => (this.#pause = new AbortController()).signal,
      onError: (error) => this.#log.error({ error, platform }, 'could not look for changed messages'),
      onRecovered: () => this.#log.info({ platform }, 'looking for changed messages works again'),
    });
  }

  /** Finds what an earlier process has left: posts that it may have tried, and queued work. */
  async #takeOver(): Promise<void> {
    const { records } = this.#context;
    for (const { id } of await records.stalePosts(this.#gateway.platform, LEFT_OVER))
      this.#showing.triedBefore.add(id);
    for (const post of await records.recentPosts(this.#gateway.platform, BATCH))
      if ((await targetOf(post, this.#context))?.queued)
        this.#showing.queued.set(post.id, { post, shown: '' });
  }

  async #tryNow(targetId: string): Promise<unknown> {
    const post = await this.#context.records.postOf(targetId);
    if (post === null) return null;
    // A deletion is no edit, so it need not wait for one.
    if (post.messageId === null || post.gone !== null)
      return this.#inTurn(post, () => this.#attempt(post, () => this.#showing.show(post)));
    this.#pacing.shorten(post.id, this.#gateway.editInterval(0));
    this.hurry();
    return null;
  }

  #begin(post: Post, work: () => Promise<void>): void {
    this.#underWay.once(post.id, () =>
      this.#inTurn(post, async () => {
        // It may have been shown while it waited for its turn.
        if (this.#isDue(post)) await this.#attempt(post, work);
      }),
    );
  }

  /** Work on a post, after other work on it; what is not posted yet also in the order of its channel. */
  #inTurn<T>(post: Post, work: () => Promise<T>): Promise<T> {
    const onPost = () => this.#lanes.run(post.id, work);
    return post.messageId === null ? this.#lanes.run(`channel ${post.channelId}`, onPost) : onPost();
  }

  /** A deletion is no edit, so it waits for nothing but the pause after a failure. */
  #isDue({ id, gone }: Post): boolean {
    return this.#pacing.isDue(id) || (gone !== null && !this.#pacing.isFailing(id));
  }

  /** Does the work and sets the time of the next. Returns what went wrong, else null. */
  async #attempt(post: Post, work: () => Promise<void>): Promise<unknown> {
    try {
      await traced(post.targetId, 'show', work, { platform: this.#gateway.platform });
      this.#pacing.shown(post.id, this.#gateway.editInterval(Date.now() - post.createdAt.getTime()));
      return null;
    } catch (error) {
      await this.#failed(post, error);
      return error;
    }
  }

  async #failed(post: Post, error: unknown): Promise<void> {
    const { pause, duration } = this.#pacing.failed(post.id, isForbidden(error));
    if (isHopeless(error, post, duration)) {
      await this.#giveUp(post, error);
      return;
    }
    this.#showing.triedBefore.add(post.id);
    // The gateway tells of a dead token, once: it is the same for every message.
    if (isTokenInvalid(error)) return;
    // What is forbidden is forbidden in this channel alone: told when it begins.
    if (!isForbidden(error)) this.#notShown(error, post.id, pause);
    else if (duration === 0)
      this.#log.warn({ error, post: post.id, again: pause }, 'could not show a message');
  }

  /**
   * Gives a message up that nobody can see. What was made stays in the records. So does a message that stands at the
   * platform, as reactions and deletion find it by its post: it is tried again when its record changes.
   */
  async #giveUp({ id, targetId }: Post, error: KronaError): Promise<void> {
    const { records } = this.#context;
    this.#givenUp.note(targetId, error);
    this.#log.info({ error, post: id }, 'gave up a message, as its channel is gone or closed to Krona');
    try {
      const post = await records.post(id);
      const target = post?.gone === null ? await targetOf(post, this.#context) : null;
      if (target === null || !post?.messageId) await this.#showing.forget(id);
      else {
        await records.markPost(id, post.messageId, target.revision);
        this.#showing.queued.delete(id);
      }
      this.#pacing.forget(id);
    } catch (failure) {
      this.#log.warn({ error: failure, post: id }, 'could not forget a message');
    }
  }
}

const isTokenInvalid = (error: unknown): boolean =>
  error instanceof KronaError && error.code.endsWith('_TOKEN_INVALID');
