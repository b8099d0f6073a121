/** @file When a message is given up, and why, for the member who may still wait for it. */
import { KronaError } from '../../core/errors.ts';
import type { Post } from '../../core/records.ts';
import { RecentMap } from '../../core/recent.ts';

/** A post that the bot isn't allowed to show for this long is given up, ms. */
const FORBIDDEN_FOR = 7 * 86_400_000;
/** Targets whose reason is remembered. */
const MOST_REMEMBERED = 200;

/** Whether an error has one of these codes. */
export function isCode(error: unknown, ...codes: readonly string[]): error is KronaError {
  return error instanceof KronaError && codes.includes(error.code);
}

/** The bot isn't allowed to post there, or the channel is gone, which a new invitation can undo. */
export const isForbidden = (error: unknown): error is KronaError =>
  isCode(error, 'CHANNEL_GONE', 'POST_FORBIDDEN');

/** Why messages were given up. */
export class GivenUp {
  readonly #reasons = new RecentMap<string, KronaError>(MOST_REMEMBERED);

  note(targetId: string, reason: KronaError): void {
    this.#reasons.set(targetId, reason);
  }

  /** The reason, told once; undefined when the target's message was not given up. */
  take(targetId: string): KronaError | undefined {
    const reason = this.#reasons.get(targetId);
    this.#reasons.delete(targetId);
    return reason;
  }
}

/**
 * Whether to stop trying: the message was never posted and its channel is gone, or the bot has not been allowed to post
 * for a week. A message that stands in a lost channel is there again when the bot is let in again.
 *
 * @param failingFor - how long the post has been failing, ms
 */
export const isHopeless = (error: unknown, post: Post, failingFor: number): error is KronaError =>
  (isCode(error, 'CHANNEL_GONE') && post.messageId === null) ||
  (isForbidden(error) && failingFor > FORBIDDEN_FOR);
