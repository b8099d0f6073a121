/**
 * @file The commands as Discord lists them, made from their one definition: `/krona <command> [<action>]` with
 * typed options, and a command in the menu of a message.
 * https://docs.discord.com/developers/interactions/application-commands
 */
import {
  type APIApplicationCommandBasicOption,
  type APIApplicationCommandOption,
  type APIApplicationCommandSubcommandOption,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
  type RESTPutAPIApplicationCommandsJSONBody,
} from 'discord.js';
import type { OptionData, SubcommandData } from '../../commands/contract.ts';
import { listed } from '../../commands/define.ts';
import { COMMANDS } from '../../commands/index.ts';
import { MAX_FILES } from '../../commands/photos/photo-intake.ts';
import { REMIX_TITLE } from '../photo-form.ts';

/** In the menu of a message: its files become photos of a subject. */
export const ADD_PHOTOS = 'Add photos to a subject';

/** Longest text of an option that Discord takes. */
const MAX_LENGTH = 6000;

/**
 * Most characters of choices that are registered. Names and values both count among the 8,000 characters of a command, so
 * longer lists are suggested while a member types.
 */
const MAX_CHOICES = 40;

/** `photo1` to `photo10`: an option takes one file. */
const photoOptionNames = Array.from({ length: MAX_FILES }, (_, index) => `photo${index + 1}`);

/** Descriptions longer than this are cut, characters: they count among the 8,000, and help has them whole. */
const LONG = 42;

/** A description up to where its details begin. */
const short = (description: string): string =>
  description.length <= LONG ? description : description.replace(/^(.{16,}?)(?:[;:,] | \().*$/u, '$1');

function option(data: OptionData): APIApplicationCommandBasicOption[] {
  const { name, choices, min, max, maxLength } = data;
  const description = short(data.description);
  const base = { name, description, ...(data.required && { required: true }) };
  const bounds = {
    ...(min !== undefined && { min_value: min }),
    ...(max !== undefined && { max_value: max }),
  };
  switch (data.type) {
    case 'photos':
      // None is required: a command without files opens a form.
      return photoOptionNames.map((photo, index) => ({
        type: ApplicationCommandOptionType.Attachment as const,
        name: photo,
        description: index === 0 ? description : `Photo ${index + 1}`,
        file_types: ['image'],
      }));
    case 'picture':
      return [{ type: ApplicationCommandOptionType.Attachment, ...base, file_types: ['image'] }];
    case 'integer':
      return [{ type: ApplicationCommandOptionType.Integer, ...base, ...bounds }];
    case 'number':
      return [{ type: ApplicationCommandOptionType.Number, ...base, ...bounds }];
    case 'flag':
      return [{ type: ApplicationCommandOptionType.Boolean, ...base }];
    case 'text':
      if (choices && choices.join('').length <= MAX_CHOICES)
        return [
          {
            type: ApplicationCommandOptionType.String,
            ...base,
            choices: choices.map((value) => ({ name: value, value })),
          },
        ];
      return [
        {
          type: ApplicationCommandOptionType.String,
          ...base,
          max_length: Math.min(MAX_LENGTH, maxLength ?? MAX_LENGTH),
          ...((choices ?? data.complete) && { autocomplete: true }),
        },
      ];
  }
}

const subcommand = (data: SubcommandData): APIApplicationCommandSubcommandOption => ({
  type: ApplicationCommandOptionType.Subcommand,
  name: data.name,
  description: data.description,
  options: data.options.flatMap(option),
});

/** Everything that Krona registers. @param direct - also for direct messages with Krona, and for members who install it for themselves */
export function registration(direct = false): RESTPutAPIApplicationCommandsJSONBody {
  const options: APIApplicationCommandOption[] = COMMANDS.map(({ data }) =>
    data.actions
      ? {
          type: ApplicationCommandOptionType.SubcommandGroup,
          name: data.name,
          description: data.description,
          options: listed(data.actions).map(subcommand),
        }
      : subcommand(data),
  );
  // In servers only: a subject belongs to a channel, and votes need several members.
  const where = {
    contexts: [InteractionContextType.Guild],
    integration_types: [ApplicationIntegrationType.GuildInstall],
  };
  const anywhere = {
    contexts: [InteractionContextType.Guild, InteractionContextType.BotDM],
    integration_types: [ApplicationIntegrationType.GuildInstall, ApplicationIntegrationType.UserInstall],
  };
  return [
    {
      type: ApplicationCommandType.ChatInput,
      name: 'krona',
      description: 'Train Krona on your photos and generate pictures',
      options,
      ...(direct ? anywhere : where),
    },
    { type: ApplicationCommandType.Message, name: ADD_PHOTOS, ...where },
    { type: ApplicationCommandType.Message, name: REMIX_TITLE, ...where },
  ];
}
