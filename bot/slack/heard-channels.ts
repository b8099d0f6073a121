/** @file In which channels somebody was heard just now: those are there, whatever Slack says to a bot that is not in them. */

/** How long a channel counts as there, ms. */
const LASTS = 10 * 60_000;
const MOST = 1_000;

export class HeardChannels {
  readonly #heard = new Map<string, number>();

  note(channelId: string): void {
    this.#heard.delete(channelId);
    this.#heard.set(channelId, Date.now());
    if (this.#heard.size > MOST) this.#heard.delete(this.#heard.keys().next().value!);
  }

  isAlive(channelId: string): boolean {
    return (this.#heard.get(channelId) ?? 0) > Date.now() - LASTS;
  }
}
