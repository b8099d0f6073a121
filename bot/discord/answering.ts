/**
 * @file How an interaction is acknowledged and answered. At once and for the caller alone, as nobody knows yet for
 * whom the answer is; what is for all is then posted in the channel with the bot's token, and the “thinking…” that
 * only the caller sees becomes his answer, or goes.
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
} from 'discord.js';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import { KronaError } from '../../core/errors.ts';
import type { InvocationEvent } from '../gateway.ts';
import type { Log } from '../../core/log.ts';
import { isDiscord, isExpired } from './errors.ts';
import { answerLimit } from './limits.ts';
import { type Messages, payload, withinLimits } from './messages.ts';
import { pages, renderCard, type RenderParts } from './render.ts';

export type Answerable =
  | ButtonInteraction
  | ChatInputCommandInteraction
  | MessageContextMenuCommandInteraction
  | ModalSubmitInteraction;

/** How long an interaction's token is used, ms; Discord kills it after 15 minutes. */
const TOKEN_LIFE = 14.5 * 60_000;

export interface AnsweringParts extends Pick<RenderParts, 'blobs' | 'link'> {
  readonly rest: REST;
  /** Posts in a channel and returns when it stands there. */
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
  const flags = MessageFlags.IsComponentsV2 | MessageFlags.Ephemeral;
  await parts.rest.post(Routes.interactionCallback(interaction.id, interaction.token), {
    body: { type: InteractionResponseType.ChannelMessageWithSource, data: { ...body, flags } },
    auth: false,
  });
}

/** The two ways of an event back to the one who waits. */
export function answering(
  interaction: Answerable,
  parts: AnsweringParts,
): Pick<InvocationEvent, 'acknowledge' | 'answer'> {
  const came = parts.clock();
  return {
    acknowledge: async () => {
      try {
        // A button's message stays as it is until its record changes.
        if (interaction.isButton()) await interaction.deferUpdate();
        else await interaction.deferReply({ flags: MessageFlags.Ephemeral });
      } catch (cause) {
        throw notTaken(cause);
      }
    },
    answer: async (cards) => {
      const forCaller: Card[] = [];
      for (const [index, card] of cards.flatMap(pages).entries())
        if (card.audience === 'caller') forCaller.push(card);
        else
          try {
            await parts.post(interaction.channelId!, card, `${interaction.id} ${index}`);
          } catch (error) {
            if (!(error instanceof KronaError))
              parts.log.error({ error }, 'could not post an answer on Discord');
            forCaller.push(errorCard(error));
          }
      const late = parts.clock() - came > TOKEN_LIFE;
      if (!late) await tellCaller(interaction, forCaller, parts);
      else if (forCaller.length > 0)
        parts.log.warn({ answers: forCaller.length }, 'an answer came after Discord takes it');
    },
  };
}

/** @returns what Discord said when somebody else has taken the event, or nobody in time */
function notTaken(cause: unknown): unknown {
  if (isDiscord(cause, 'unknownInteraction'))
    return new KronaError(
      'DISCORD_TOO_LATE',
      'Discord waits 3 s for a word on a command, and it came later; the command was not carried out.',
      { cause },
    );
  if (isDiscord(cause, 'alreadyAcknowledged'))
    return new KronaError(
      'DISCORD_TAKEN',
      'Another process with the same token has taken the command; run one bot for one token.',
      { cause },
    );
  return cause;
}

async function tellCaller(
  interaction: Answerable,
  cards: readonly Card[],
  parts: AnsweringParts,
): Promise<void> {
  const { applicationId, token } = interaction;
  const original = Routes.webhookMessage(applicationId, token, '@original');
  try {
    const [first, ...others] = interaction.isButton() ? [undefined, ...cards] : cards;
    if (first !== undefined)
      await send(first, ({ body, files }) => parts.rest.patch(original, { body, files, auth: false }));
    else if (!interaction.isButton()) await parts.rest.delete(original, { auth: false });
    for (const card of others)
      await send(card!, ({ body, files }) =>
        parts.rest.post(Routes.webhook(applicationId, token), {
          body: { ...body, flags: MessageFlags.IsComponentsV2 | MessageFlags.Ephemeral },
          files,
          auth: false,
        }),
      );
  } catch (error) {
    if (!isExpired(error)) throw error;
    parts.log.warn({ error }, 'an answer came after Discord takes it');
  }

  async function send(
    card: Card,
    request: (message: Awaited<ReturnType<typeof payload>>) => Promise<unknown>,
  ) {
    await withinLimits(answerLimit(interaction), async (limit) =>
      request(await payload(await renderCard(card, { ...parts, limit }))),
    );
  }
}
