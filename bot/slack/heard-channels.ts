/** @file Channels in which somebody was heard just now: those exist, whatever Slack says to a bot that is not in them. */
import { RecentMap } from '../../core/recent.ts';

/** How long a channel counts as existing, ms. */
const LASTS = 10 * 60_000;
const MOST = 1_000;

export class HeardChannels {
  readonly #heard = new RecentMap<string, number>(MOST);

  note(channelId: string): void {
    this.#heard.set(channelId, performance.now());
  }

  isAlive(channelId: string): boolean {
    return (this.#heard.get(channelId) ?? -Infinity) > performance.now() - LASTS;
  }
}
