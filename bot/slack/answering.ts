/** @file Shows the cards of an answer where each belongs: in the channel, or to the caller alone. */
import { randomUUID } from 'node:crypto';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { Log } from '../../core/log.ts';
import type { UnderWay } from '../under-way.ts';
import type { Answers, Caller } from './answers.ts';
import { placeError } from './failures.ts';
import type { Renderer } from './renderer.ts';
import type { SlackFiles } from './slack-files.ts';

/** How long files that one member was shown stay at Slack, ms: such messages are gone when Slack's page is reloaded. */
const WHISPER_LASTS = 3_600_000;

export interface AnsweringParts {
  readonly renderer: Renderer;
  readonly files: SlackFiles;
  readonly answers: Answers;
  readonly underWay: UnderWay;
  readonly log: Log;
  /** Posts in a channel. */
  post(channelId: string, card: Card, nonce: string): Promise<string>;
}

export class Answering {
  readonly #parts: AnsweringParts;

  constructor(parts: AnsweringParts) {
    this.#parts = parts;
  }

  async answer(caller: Caller, cards: readonly Card[]): Promise<void> {
    for (const card of cards) {
      if (card.audience === 'caller') {
        await this.tell(caller, card);
        continue;
      }
      try {
        await this.#parts.post(caller.channelId, card, randomUUID());
      } catch (error) {
        // What was done is done: the caller sees it, and why nobody else does.
        await this.tell(caller, errorCard(placeError(error, true)));
        await this.tell(caller, card);
      }
    }
  }

  /** Shows a card to the caller alone. Never rejects. */
  async tell(caller: Caller, card: Card): Promise<void> {
    const { renderer, files, answers, underWay, log } = this.#parts;
    try {
      const { keys } = await renderer.send(card, (rendered) => answers.tell(caller, rendered));
      if (keys.length === 0) return;
      const whisper = randomUUID();
      await files.whispers(whisper, keys);
      setTimeout(() => underWay.add(files.whispers(whisper, [])), WHISPER_LASTS).unref();
    } catch (error) {
      log.warn({ error }, 'Slack: could not tell a member something');
    }
  }
}
