/** @file How an interaction is acknowledged: at once, and for the caller alone, as it isn't known yet who sees the answer. */
import { MessageFlags } from 'discord.js';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Answerable } from './answering.ts';
import { isDiscord } from './errors.ts';

/**
 * Acknowledges an interaction.
 *
 * @returns false, with the reason in the log, when Discord does not take it: then nobody can be answered, and nothing is
 * to be carried out
 */
export async function acknowledge(interaction: Answerable, log: Log): Promise<boolean> {
  try {
    // A button's message stays as it is until its record changes.
    if (interaction.isButton()) await interaction.deferUpdate();
    else await interaction.deferReply({ flags: MessageFlags.Ephemeral });
    return true;
  } catch (cause) {
    log.error({ error: notTaken(cause) }, 'could not acknowledge an interaction on Discord');
    return false;
  }
}

function notTaken(cause: unknown): unknown {
  if (isDiscord(cause, 'unknownInteraction'))
    return new KronaError(
      'DISCORD_TOO_LATE',
      'Discord expects an answer within 3 s, and Krona took longer; the command was not carried out.',
      { cause },
    );
  if (isDiscord(cause, 'alreadyAcknowledged'))
    return new KronaError(
      'DISCORD_TAKEN',
      'Another process with the same token has taken the command. Run one bot per token.',
      { cause },
    );
  return cause;
}
