/**
 * @file How an interaction is answered. What is for all is posted in the channel with the bot's token, and the
 * “thinking…” that only the caller sees becomes the caller's answer, or goes.
 */
import {
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  InteractionResponseType,
  type MessageContextMenuCommandInteraction,
  MessageFlags,
  type ModalSubmitInteraction,
  type REST,
  Routes,
  type StringSelectMenuInteraction,
} from 'discord.js';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { InvocationEvent } from '../gateway.ts';
import type { Callbacks } from './callbacks.ts';
import { isExpired } from './errors.ts';
import { answerLimit } from './limits.ts';
import { type Messages, payload, withinLimits } from './messages.ts';
import { pages, renderCard, type RenderParts } from './render.ts';

export type Answerable =
  | ButtonInteraction
  | ChatInputCommandInteraction
  | MessageContextMenuCommandInteraction
  | ModalSubmitInteraction
  | StringSelectMenuInteraction;

/** How long an interaction's token is used, ms; Discord ends it after 15 minutes. */
const TOKEN_LIFE = 14.5 * 60_000;
/** An answer that only the caller sees. */
const FOR_CALLER = MessageFlags.IsComponentsV2 | MessageFlags.Ephemeral;

export interface AnsweringParts extends Pick<RenderParts, 'blobs' | 'link'> {
  readonly rest: REST;
  readonly callbacks: Callbacks;
  /** Posts in a channel and returns when the message stands there. */
  readonly post: (channelId: string, card: Card, nonce: string) => ReturnType<Messages['post']>;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Answers at once, for the caller alone: what needs no work. */
export async function answerAtOnce(
  interaction: Answerable,
  card: Card,
  parts: AnsweringParts,
): Promise<void> {
  const { body } = await payload(await renderCard(card, { ...parts, limit: answerLimit(interaction) }));
  await parts.callbacks.answer(interaction, {
    type: InteractionResponseType.ChannelMessageWithSource,
    data: { ...body, flags: FOR_CALLER },
  });
}

/** Returns what answers an interaction that was just acknowledged. */
export function answering(interaction: Answerable, parts: AnsweringParts): InvocationEvent['answer'] {
  const came = parts.clock();
  return async (cards) => {
    const forCaller: Card[] = [];
    for (const [index, card] of cards.flatMap(pages).entries())
      if (card.audience === 'caller') forCaller.push(card);
      else
        try {
          await parts.post(requireChannel(interaction), card, `${interaction.id} ${index}`);
        } catch (error) {
          if (!(error instanceof KronaError))
            parts.log.error({ error }, 'could not post an answer on Discord');
          forCaller.push(errorCard(error));
        }
    const late = parts.clock() - came > TOKEN_LIFE;
    if (!late) await tellCaller(interaction, forCaller, parts);
    else if (forCaller.length > 0)
      parts.log.warn({ answers: forCaller.length }, 'an answer came too late for Discord');
  };
}

/** The channel of an interaction. Commands are taken in servers only, where every interaction has one. */
function requireChannel({ channelId }: Answerable): string {
  if (channelId !== null) return channelId;
  throw new KronaError('CHANNEL_GONE', 'Discord did not say in which channel this was asked.');
}

async function tellCaller(
  interaction: Answerable,
  cards: readonly Card[],
  parts: AnsweringParts,
): Promise<void> {
  const { applicationId, token } = interaction;
  const original = Routes.webhookMessage(applicationId, token, '@original');
  const limit = answerLimit(interaction);
  const send = (card: Card, request: (message: Awaited<ReturnType<typeof payload>>) => Promise<unknown>) =>
    withinLimits(limit, async (most) =>
      request(await payload(await renderCard(card, { ...parts, limit: most }))),
    );
  try {
    const others = [...cards];
    if (!interaction.isMessageComponent()) {
      const first = others.shift();
      if (first === undefined) await parts.rest.delete(original, { auth: false });
      else await send(first, (message) => parts.rest.patch(original, { ...message, auth: false }));
    }
    for (const card of others)
      await send(card, ({ body, files }) =>
        parts.rest.post(Routes.webhook(applicationId, token), {
          body: { ...body, flags: FOR_CALLER },
          files,
          auth: false,
        }),
      );
  } catch (error) {
    if (!isExpired(error)) throw error;
    parts.log.warn({ error }, 'an answer came too late for Discord');
  }
}
