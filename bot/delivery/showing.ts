/**
 * @file Brings one post's message up to date, from what the records say alone: posts it, edits it, replaces it where the
 * platform takes no more edits, deletes it when its record was deleted.
 */
import { createHash } from 'node:crypto';
import type { Card } from '../../commands/card.ts';
import { goneCard, loadCard } from '../../commands/cards/load-card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { Channel, Post, PostKind } from '../../core/records.ts';
import type { Gateway } from '../gateway.ts';
import { isCode } from './giving-up.ts';
import { targetOf } from './target.ts';

/** A post about queued work, and the card that it shows, as JSON. */
export interface QueuedPost {
  readonly post: Post;
  readonly shown: string;
}

/** What changes only by a deletion. */
const SHRINKING: readonly PostKind[] = ['champion', 'ranking', 'verdict'];

export class Showing {
  readonly #gateway: Gateway;
  readonly #context: CommandContext;
  /** Posts about queued work, by id. */
  readonly queued = new Map<string, QueuedPost>();
  /**
   * Posts that an earlier process may have tried, and those that failed: the gateway may return a message for them that
   * shows something older.
   */
  readonly triedBefore = new Set<string>();

  constructor(gateway: Gateway, context: CommandContext) {
    this.#gateway = gateway;
    this.#context = context;
  }

  async show({ id }: Post): Promise<void> {
    const { records } = this.#context;
    // Read again, as it waited for its turn: it may have been shown, or deleted.
    const post = await records.post(id);
    const channel = post && (await records.channelById(post.channelId));
    if (post === null || channel === null) {
      this.queued.delete(id);
      return;
    }
    if (post.gone !== null) {
      await this.#end(channel, post, goneCard(post.kind, post.gone));
      return;
    }
    // Read before the card: when the record changes in between, the message counts as older and is shown again.
    const target = await targetOf(post, this.#context);
    if (target === null || (post.messageId !== null && target.revision <= post.shownRevision)) return;
    this.queued.delete(id);
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const messageId =
      post.messageId === null
        ? await this.#post(channel, post, card, post.id)
        : await this.#edit(channel, post, post.messageId, card);
    if (SHRINKING.includes(post.kind)) await this.#removeReplaced(channel, post, messageId, card);
    await records.markPost(post.id, messageId, target.revision);
    if (target.queued)
      this.queued.set(post.id, { post: { ...post, messageId }, shown: JSON.stringify(card) });
  }

  /** Shows the position in the queue when it has changed. */
  async showPosition({ post, shown }: QueuedPost): Promise<void> {
    const channel = await this.#context.records.channelById(post.channelId);
    const target = await targetOf(post, this.#context);
    if (channel === null || post.messageId === null || !target?.queued) {
      this.queued.delete(post.id);
      return;
    }
    const card = await loadCard(post.kind, post.targetId, this.#context);
    const current = JSON.stringify(card);
    if (current === shown) return;
    const messageId = await this.#edit(channel, post, post.messageId, card);
    this.queued.set(post.id, { post: { ...post, messageId }, shown: current });
  }

  /** Removes the post itself. */
  async forget(id: string): Promise<void> {
    await this.#context.records.removePost(id);
    this.queued.delete(id);
    this.triedBefore.delete(id);
  }

  /** Deletes the messages of a deleted record. @param card - for messages that the bot can't delete */
  async #end(channel: Channel, post: Post, card: Card): Promise<void> {
    const messageIds = [...post.formerMessageIds];
    if (post.messageId !== null) messageIds.push(post.messageId);
    // A process that died may have posted it without noting that: its nonce finds it.
    else if (this.triedBefore.has(post.id)) messageIds.push(await this.#gateway.post(channel, card, post.id));
    await this.#remove(channel, messageIds, card);
    await this.forget(post.id);
  }

  /** The messages that this one replaced still show what was deleted. */
  async #removeReplaced(channel: Channel, post: Post, messageId: string, card: Card): Promise<void> {
    const former = new Set(post.formerMessageIds).add(post.messageId ?? messageId);
    former.delete(messageId);
    await this.#remove(channel, former, card);
  }

  async #remove(channel: Channel, messageIds: Iterable<string>, card: Card): Promise<void> {
    for (const messageId of messageIds)
      try {
        await this.#gateway.remove(channel, messageId);
      } catch (error) {
        if (!isCode(error, 'DELETE_FORBIDDEN')) throw error;
        await this.#gateway.edit(channel, messageId, card).catch((failure: unknown) => {
          if (!isCode(failure, 'MESSAGE_GONE', 'MESSAGE_STALE')) throw failure;
        });
      }
  }

  /** Returns the message that shows the card: a new one, when the platform takes no more edits of this one. */
  async #edit(channel: Channel, post: Post, messageId: string, card: Card): Promise<string> {
    try {
      await this.#gateway.edit(channel, messageId, card);
      return messageId;
    } catch (error) {
      // Somebody deleted the message at the platform and doesn't want it there.
      if (isCode(error, 'MESSAGE_GONE')) return messageId;
      if (!isCode(error, 'MESSAGE_STALE')) throw error;
    }
    const next = await this.#post(channel, post, card, nonceAfter(post.id, messageId));
    await this.#context.records.markPost(post.id, next, post.shownRevision);
    return next;
  }

  /** Posts a message, or finds it standing and makes it show the card. */
  async #post(channel: Channel, post: Post, card: Card, nonce: string): Promise<string> {
    const messageId = await this.#gateway.post(channel, card, nonce);
    if (this.triedBefore.delete(post.id))
      await this.#gateway.edit(channel, messageId, card).catch((error: unknown) => {
        if (!isCode(error, 'MESSAGE_GONE')) throw error;
      });
    return messageId;
  }
}

/**
 * The nonce of the message that replaces another: the same in every process, so that one that dies after posting it
 * posts no second. A UUID of version 8 (RFC 9562 §5.8) from a hash.
 */
function nonceAfter(postId: string, messageId: string): string {
  const hash = createHash('sha256').update(`${postId} ${messageId}`).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
