/**
 * @file The first answer to an interaction, which Discord must have within 3 s and takes once. An answer whose fate is
 * unknown is sent once more: when Discord then says that it has one, it is ours.
 * https://docs.discord.com/developers/interactions/receiving-and-responding#responding-to-an-interaction
 */
import {
  DiscordAPIError,
  type APIInteractionResponse,
  type BaseInteraction,
  InteractionResponseType,
  MessageFlags,
  REST,
  Routes,
} from 'discord.js';
import type { DiscordConfig } from '../../core/config.ts';
import type { Log } from '../../core/log.ts';
import { acknowledging } from '../../core/metrics.ts';
import type { Answerable } from './answering.ts';
import { restOptions } from './connection.ts';
import { isDiscord, notTaken } from './errors.ts';

/** How long one try may take, ms: two fit into the 3 s with some room. */
const PATIENCE = 1_300;

export class Callbacks {
  readonly #rest: REST;
  readonly #log: Log;

  constructor(config: DiscordConfig, log: Log) {
    // The library would send it again without knowing what 40060 then means.
    this.#rest = new REST({ ...restOptions(config, log), retries: 0, timeout: PATIENCE });
    this.#log = log;
  }

  /**
   * Acknowledges an interaction, for the caller alone, as it isn't known yet who sees the answer.
   *
   * @returns false, with the reason in the log, when Discord does not take it: then nobody can be answered, and nothing
   * is to be carried out
   */
  async acknowledge(interaction: Answerable): Promise<boolean> {
    try {
      const answered = this.answer(
        interaction,
        interaction.isMessageComponent()
          ? // A button's message stays as it is until its record changes.
            { type: InteractionResponseType.DeferredMessageUpdate }
          : {
              type: InteractionResponseType.DeferredChannelMessageWithSource,
              data: { flags: MessageFlags.Ephemeral },
            },
      );
      await acknowledging('discord', answered);
      return true;
    } catch (cause) {
      this.#log.error({ error: notTaken(cause) }, 'could not acknowledge an interaction on Discord');
      return false;
    }
  }

  /** Sends the first answer. @throws DiscordAPIError, or what the network threw */
  async answer(
    { id, token }: Pick<BaseInteraction, 'id' | 'token'>,
    body: APIInteractionResponse,
  ): Promise<void> {
    const send = () => this.#rest.post(Routes.interactionCallback(id, token), { body, auth: false });
    try {
      await send();
    } catch (first) {
      // Discord refused it. Anything else may have reached it all the same.
      if (first instanceof DiscordAPIError) throw first;
      try {
        await send();
      } catch (second) {
        if (!isDiscord(second, 'alreadyAcknowledged')) throw second;
      }
    }
  }
}
