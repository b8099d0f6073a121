/** @file `krona discord register`: registers the commands with Discord, once and after each update, or removes them. */
import type { Command } from 'commander';
import { type Registered, registerCommands } from '../../bot/discord/register.ts';
import { readConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { action, type Shell } from '../output.ts';

export function define(discord: Command, shell: Shell): void {
  const register = discord
    .command('register')
    .description('register the commands with Discord, and print the invite link of the bot')
    .option('--guild <id>', 'register in this server only, with immediate effect (default: all servers)')
    .option('--remove', 'remove the registered commands instead')
    .addHelpText('after', '\nEnvironment: DISCORD_TOKEN, the token of the bot.');
  action(register, shell, async (_io, { guild, remove }: { guild?: string; remove?: boolean }) => {
    const { discord: config } = await readConfig();
    if (config === null)
      throw new KronaError(
        'DISCORD_TOKEN_MISSING',
        'DISCORD_TOKEN is not set. Set it to the token of your bot (Developer Portal, your application, Bot).',
      );
    const registered = await registerCommands(config, guild ?? null, remove);
    return { json: registered, text: describe(registered) };
  });
}

function describe({ application, guildId, commands, invite, forMembers }: Registered): string {
  const where = guildId === null ? 'in all servers' : `in the server ${guildId}`;
  if (commands.length === 0) return `Removed the commands of ${application.name} ${where}.`;
  return [
    `Registered for ${application.name} ${where}:`,
    ...commands.map((command) => `  ${command}`),
    `Invite the bot to a server: ${invite}`,
    ...(forMembers === null ? [] : [`Install it for yourself, to draw in direct messages: ${forMembers}`]),
  ].join('\n');
}
