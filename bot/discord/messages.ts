/**
 * @file Krona's messages in channels, written with the bot's own token, as an interaction's token ends after 15 minutes.
 * A message is posted once for its nonce: Discord itself checks that for some minutes, and then the mark that its
 * container carries does. Nobody is ever pinged.
 */
import { createHash } from 'node:crypto';
import {
  type APIMessage,
  ComponentType,
  MessageFlags,
  type RawFile,
  type RESTPatchAPIChannelMessageJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
  Routes,
} from 'discord.js';
import type { Card } from '../../commands/card.ts';
import { KronaError } from '../../core/errors.ts';
import { RecentMap } from '../../core/recent.ts';
import type { BotRest } from './connection.ts';
import { deleteForbidden, isDiscord, isTooLarge, threadClosed, translated } from './errors.ts';
import { renderCard, type Rendered, type RenderParts } from './render.ts';
import { DEFAULT_LIMIT } from './uploads.ts';

/** Messages whose attachments are remembered, so that an edit sends only new ones. */
const MOST_REMEMBERED = 500;
/** Pages of 100 messages in which a message of an earlier process is looked for. */
const PAGES_BACK = 3;
/** Smallest limit that is tried when Discord finds files too large, bytes. */
const LEAST_LIMIT = 256 * 1024;

type Body = Pick<
  RESTPostAPIChannelMessageJSONBody,
  'flags' | 'components' | 'attachments' | 'allowed_mentions'
>;

/** A message's body and new files. @param kept - ids of attachments that the message has already, by name */
export async function payload(
  { components, files }: Rendered,
  kept: ReadonlyMap<string, string> = new Map(),
): Promise<{ readonly body: Body; readonly files: RawFile[] }> {
  const fresh: RawFile[] = [];
  const attachments = [];
  for (const { name, description, load } of files) {
    const id = kept.get(name);
    if (id === undefined) {
      attachments.push({ id: String(fresh.length), filename: name, ...(description && { description }) });
      fresh.push({ name, data: Buffer.from(await load()) });
    } else attachments.push({ id });
  }
  return {
    body: {
      flags: MessageFlags.IsComponentsV2,
      components: [...components],
      attachments,
      allowed_mentions: { parse: [] },
    },
    files: fresh,
  };
}

/** Sends with a smaller limit for files while Discord finds them too large: first with the one that holds everywhere. */
export async function withinLimits<T>(limit: number, send: (limit: number) => Promise<T>): Promise<T> {
  try {
    return await send(limit);
  } catch (error) {
    if (!isTooLarge(error) || limit <= LEAST_LIMIT) throw error;
    const next = limit > DEFAULT_LIMIT ? DEFAULT_LIMIT : Math.floor(limit / 4);
    return withinLimits(Math.max(LEAST_LIMIT, next), send);
  }
}

/** A nonce as Discord takes it: at most 25 characters. */
const nonceOf = (nonce: string): string =>
  createHash('sha256').update(nonce).digest('base64url').slice(0, 22);

/** 1 to 2³¹ − 1, for the id of the container. */
const markOf = (nonce: string): number =>
  createHash('sha256').update(`mark ${nonce}`).digest().readUInt32BE() & 0x7fffffff || 1;

export interface MessagesParts extends Pick<RenderParts, 'blobs' | 'link'> {
  readonly rest: BotRest;
  /** Bytes of one file in a channel. */
  readonly limitOf: (channelId: string) => number;
  readonly forbidden: (channelId: string, cause: unknown) => KronaError;
  /** null until the client knows who it is. */
  readonly botId: () => string | null;
}

export class Messages {
  readonly #parts: MessagesParts;
  /** Ids of attachments by file name, by message. */
  readonly #uploaded = new RecentMap<string, ReadonlyMap<string, string>>(MOST_REMEMBERED);

  constructor(parts: MessagesParts) {
    this.#parts = parts;
  }

  /**
   * Posts a message, or returns the id of the one that was posted before.
   *
   * @param lookBack - also looks for one that is older than Discord remembers nonces
   * @throws KronaError CHANNEL_GONE, POST_FORBIDDEN
   */
  async post(channelId: string, card: Card, nonce: string, lookBack: boolean): Promise<string> {
    const { rest } = this.#parts;
    return this.#told(channelId, false, async () => {
      const mark = markOf(nonce);
      const standing = lookBack ? await this.#find(channelId, mark) : null;
      if (standing !== null) return standing;
      return withinLimits(this.#parts.limitOf(channelId), async (limit) => {
        const { body, files } = await payload(await renderCard(card, { ...this.#parts, limit, mark }));
        const unique = { nonce: nonceOf(nonce), enforce_nonce: true };
        const message = await rest.ask<APIMessage>('post', Routes.channelMessages(channelId), {
          body: { ...body, ...unique } satisfies RESTPostAPIChannelMessageJSONBody,
          files,
        });
        this.#remember(message);
        return message.id;
      });
    });
  }

  /** @throws KronaError MESSAGE_GONE, MESSAGE_STALE, CHANNEL_GONE, POST_FORBIDDEN */
  async edit(channelId: string, messageId: string, card: Card): Promise<void> {
    await this.#told(channelId, true, () =>
      withinLimits(this.#parts.limitOf(channelId), async (limit) => {
        const rendered = await renderCard(card, { ...this.#parts, limit });
        const { body, files } = await payload(rendered, this.#uploaded.get(messageId));
        const message = await this.#parts.rest.ask<APIMessage>(
          'patch',
          Routes.channelMessage(channelId, messageId),
          { body: body satisfies RESTPatchAPIChannelMessageJSONBody, files },
        );
        this.#remember(message);
      }),
    );
  }

  /**
   * Deletes a message, if it still exists; an archived thread is reopened for it.
   *
   * @throws KronaError CHANNEL_GONE, DELETE_FORBIDDEN, POST_FORBIDDEN in a locked thread
   */
  async remove(channelId: string, messageId: string): Promise<void> {
    this.#uploaded.delete(messageId);
    try {
      await this.#delete(channelId, messageId).catch(async (error: unknown) => {
        if (!isDiscord(error, 'threadArchived')) throw error;
        await this.#reopen(channelId);
        await this.#delete(channelId, messageId);
      });
    } catch (error) {
      if (isDiscord(error, 'unknownMessage', 'unknownChannel')) return;
      throw translated(error, true, (cause) =>
        isDiscord(cause, 'missingAccess') ? this.#parts.forbidden(channelId, cause) : deleteForbidden(cause),
      );
    }
  }

  async #delete(channelId: string, messageId: string): Promise<void> {
    await this.#parts.rest.delete(Routes.channelMessage(channelId, messageId));
  }

  /** Everybody who can write in a thread can reopen it, unless it is locked. */
  async #reopen(threadId: string): Promise<void> {
    await this.#parts.rest
      .patch(Routes.channel(threadId), { body: { archived: false } })
      .catch((error: unknown) => {
        throw isDiscord(error, 'threadLocked', 'missingPermissions') ? threadClosed(error) : error;
      });
  }

  /** Does something to a message, with Discord's refusals in our words. */
  async #told<T>(channelId: string, onMessage: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translated(error, onMessage, (cause) => this.#parts.forbidden(channelId, cause));
    }
  }

  /** Finds our own message with this mark, among the newest of the channel. */
  async #find(channelId: string, mark: number): Promise<string | null> {
    const { rest, botId } = this.#parts;
    let before: string | undefined;
    for (let page = 0; page < PAGES_BACK; page++) {
      const query = new URLSearchParams({ limit: '100', ...(before !== undefined && { before }) });
      const messages = await rest.ask<APIMessage[]>('get', Routes.channelMessages(channelId), { query });
      const found = messages.find(
        ({ author, components }) =>
          author.id === botId() &&
          components?.some(({ type, id }) => type === ComponentType.Container && id === mark),
      );
      if (found) {
        this.#remember(found);
        return found.id;
      }
      before = messages.at(-1)?.id;
      if (messages.length < 100) return null;
    }
    return null;
  }

  #remember({ id, attachments }: APIMessage): void {
    this.#uploaded.set(id, new Map(attachments.map((each) => [each.filename, each.id])));
  }
}
