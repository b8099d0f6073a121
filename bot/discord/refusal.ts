/** @file Where Krona takes interactions: in channels of servers that invited it, and in direct messages where it may. */
import { type BaseInteraction, InteractionContextType } from 'discord.js';
import { KronaError } from '../../core/errors.ts';
import { postForbidden } from './errors.ts';
import { missingPermissions } from './permissions.ts';
import type { Places } from './places.ts';

interface Where {
  readonly places: Places;
  /** Members can draw in direct messages. */
  readonly direct: boolean;
}

const isDirect = ({ context }: BaseInteraction): boolean => context === InteractionContextType.BotDM;

/** Whether the app is in the server: a member can have it where the server does not. */
const isInstalled = ({ authorizingIntegrationOwners: { guildId, userId } }: BaseInteraction): boolean =>
  // Not by `in`: the library defines both kinds, whatever the event says.
  guildId !== null || userId === null;

/** Whether something can be done where an interaction is. */
export const isPlaceOfKrona = (interaction: BaseInteraction, { direct }: Where): boolean =>
  interaction.inGuild() ? isInstalled(interaction) : direct && isDirect(interaction);

/** @throws KronaError NOT_HERE, POST_FORBIDDEN when an interaction is not to be carried out */
export function refuseElsewhere(interaction: BaseInteraction, where: Where): void {
  const { places, direct } = where;
  if (!isPlaceOfKrona(interaction, where))
    throw new KronaError(
      'NOT_HERE',
      interaction.inGuild()
        ? 'Krona is not in this server. Ask an administrator to invite it, or use the command in direct messages with Krona.'
        : `Krona works in the channels of a server${direct ? ' and in direct messages with it' : ', not in direct messages'}. Use the command there.`,
    );
  const { channelId, guildId, appPermissions } = interaction;
  if (isDirect(interaction)) return;
  const missing = missingPermissions(appPermissions, places.isThread(channelId ?? ''));
  if (missing.length > 0) throw postForbidden(places.of(channelId ?? '', guildId).name, missing);
}
