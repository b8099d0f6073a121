/** @file `krona discord register`: makes the commands known to Discord, once and after each update, or takes them away. */
import type { Command } from 'commander';
import { type Registered, registerCommands } from '../../bot/discord/register.ts';
import { readConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { action, type Shell } from '../output.ts';

export function define(discord: Command, shell: Shell): void {
  const register = discord
    .command('register')
    .description('register the commands with Discord, and print the link that lets the bot into a server')
    .option('--guild <id>', 'in this server only, where they appear at once (default: in all servers)')
    .option('--remove', 'take away the commands that were registered so')
    .addHelpText('after', '\nThe bot’s token is read from DISCORD_TOKEN.');
  action(register, shell, async (_io, { guild, remove }: { guild?: string; remove?: boolean }) => {
    const { discord: config } = await readConfig();
    if (config === null)
      throw new KronaError(
        'DISCORD_TOKEN_MISSING',
        'DISCORD_TOKEN is not set; give it the token of your bot (Developer Portal, your application, Bot).',
      );
    const registered = await registerCommands(config, guild ?? null, remove);
    return { json: registered, text: describe(registered) };
  });
}

function describe({ application, guildId, commands, invite }: Registered): string {
  const where = guildId === null ? 'in all servers' : `in the server ${guildId}`;
  if (commands.length === 0) return `Took away what ${application.name} had registered ${where}.`;
  return [
    `Registered for ${application.name} ${where}:`,
    ...commands.map((command) => `  ${command}`),
    `Let the bot into a server: ${invite}`,
  ].join('\n');
}
