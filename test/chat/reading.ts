/** @file What a test waits for in a chat, as a person reads it. */
import { until } from '../helpers/until.ts';
import type { FragileChat, Seen } from './driver.ts';

/** Readers of the chat that is open now. @param chat a suite can open another one */
export function readerOf(chat: () => FragileChat) {
  const saying = async (words: string | RegExp): Promise<Seen[]> =>
    (await chat().messages()).filter(({ text }) =>
      typeof words === 'string' ? text.includes(words) : words.test(text),
    );
  return {
    /** The bot's messages with these words. */
    saying,
    /** Waits for one, and returns the newest. */
    found: (words: string | RegExp): Promise<Seen> =>
      until(async () => (await saying(words)).at(-1), `a message with ${String(words)}`),
    /** The channel's record. */
    channelId: async (): Promise<string> =>
      (await chat().storage.records.channel(chat().platform, chat().channelId, 'pets')).id,
  };
}
