/**
 * @file Brings the messages that follow a run or a set up to date: posts them, then edits them when their record has
 * changed, from what the records say alone. A process that dies between posting and noting it leaves a post without
 * a message; the next one asks the gateway again with the same nonce and gets the standing message. So a result is
 * posted exactly once, and nothing is lost but the time in between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Card } from '../commands/card.ts';
import { loadCard } from '../commands/cards/load-card.ts';
import type { CommandContext } from '../commands/contract.ts';
import { KronaError } from '../storage/errors.ts';
import type { Channel, PictureSet, Post, Run } from '../storage/records/contract.ts';
import type { Gateway } from './gateway.ts';
import { Lanes } from './lanes.ts';
import type { Log } from './log.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 250;
/** Posts looked at in one go. */
const BATCH = 200;
/** How often messages about waiting work are looked at: their place in the queue changes without their record, ms. */
const LOOK_AT_QUEUE_EVERY = 2_000;
/** Pause after a failure, doubled with each that follows, ms. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;

interface Pace {
  /** The post is left alone until then (ms since the epoch). */
  readonly until: number;
  readonly failures: number;
}

export class Delivery {
  readonly #gateway: Gateway;
  readonly #context: CommandContext;
  readonly #log: Log;
  readonly #lanes = new Lanes();
  readonly #paces = new Map<string, Pace>();
  /** Posts about work that waits, and the card that each shows, as JSON. */
  readonly #waiting = new Map<string, { readonly post: Post; readonly shown: string }>();
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
    this.#running = this.#findWaiting()
      .catch((error: unknown) => this.#log.error({ error }, 'could not look for messages about waiting work'))
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

  /** Puts another card in a post's message, in its turn among the post's own edits. */
  replace(channel: Channel, postId: string, messageId: string, card: Card): Promise<void> {
    return this.#lanes.run(postId, () => this.#gateway.edit(channel, messageId, card));
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

  /** One look: shows every changed post whose turn has come. */
  async deliver(): Promise<void> {
    const now = Date.now();
    for (const [id, pace] of this.#paces)
      if (pace.until <= now && pace.failures === 0) this.#paces.delete(id);
    const posts = await this.#context.records.stalePosts(this.#gateway.platform, BATCH);
    const due = posts.filter(({ id }) => (this.#paces.get(id)?.until ?? 0) <= now);
    const attempts = due.map((post) => this.#attempt(post, () => this.#show(post)));
    if (now - this.#queueLookedAt >= LOOK_AT_QUEUE_EVERY) {
      this.#queueLookedAt = now;
      for (const [id, { post, shown }] of this.#waiting)
        if (!due.some((each) => each.id === id) && (this.#paces.get(id)?.until ?? 0) <= now)
          attempts.push(this.#attempt(post, () => this.#showPlace(post, shown)));
    }
    await Promise.all(attempts);
  }

  /** Work that an earlier process has posted and that still waits. */
  async #findWaiting(): Promise<void> {
    for (const post of await this.#context.records.recentPosts(this.#gateway.platform, BATCH))
      if ((await this.#target(post))?.state === 'queued') this.#waiting.set(post.id, { post, shown: '' });
  }

  #attempt(post: Post, work: () => Promise<void>): Promise<void> {
    return this.#lanes.run(post.id, () => this.#paced(post, work));
  }

  async #paced(post: Post, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      const interval = this.#gateway.editInterval(Date.now() - post.createdAt.getTime());
      this.#paces.set(post.id, { until: Date.now() + interval, failures: 0 });
    } catch (error) {
      const failures = (this.#paces.get(post.id)?.failures ?? 0) + 1;
      const pause = Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1));
      this.#paces.set(post.id, { until: Date.now() + pause, failures });
      this.#log.warn({ error, post: post.id, again: pause }, 'could not show a message');
    }
  }

  async #show(post: Post): Promise<void> {
    const { records } = this.#context;
    const channel = await records.channelById(post.channelId);
    // Read before the card: when the record changes in between, the message counts as older and is shown again.
    const target = await this.#target(post);
    this.#waiting.delete(post.id);
    if (channel === null || target === null) return;
    const card = await loadCard(post.kind, post.targetId, this.#context);
    let { messageId } = post;
    if (messageId === null) messageId = await this.#gateway.post(channel, card, post.id);
    else await this.#edit(channel, messageId, card);
    await records.markPost(post.id, messageId, target.revision);
    if (target.state === 'queued')
      this.#waiting.set(post.id, { post: { ...post, messageId }, shown: JSON.stringify(card) });
  }

  /** Shows the place in the queue when it has changed. */
  async #showPlace(post: Post, shown: string): Promise<void> {
    const channel = await this.#context.records.channelById(post.channelId);
    const target = await this.#target(post);
    if (channel === null || post.messageId === null || target?.state !== 'queued') {
      this.#waiting.delete(post.id);
      return;
    }
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const now = JSON.stringify(card);
    if (now === shown) return;
    await this.#edit(channel, post.messageId, card);
    this.#waiting.set(post.id, { post, shown: now });
  }

  async #edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    await this.#gateway.edit(channel, messageId, card).catch((error: unknown) => {
      // Somebody deleted the message at the platform: what was in it is not wanted there.
      if (!(error instanceof KronaError && error.code === 'MESSAGE_GONE')) throw error;
    });
  }

  #target({ kind, targetId }: Post): Promise<Run | PictureSet | null> {
    return kind === 'run' ? this.#context.records.run(targetId) : this.#context.records.set(targetId);
  }
}
