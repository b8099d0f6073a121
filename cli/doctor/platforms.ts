/** @file What `krona doctor` asks Discord and Slack: whether the tokens work, and what they may do. */
import type { Config, DiscordConfig, SlackConfig } from '../../core/config.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

export async function lookAtDiscord({ discord }: Config): Promise<Finding[]> {
  if (discord === null) return [];
  return askDiscord(discord);
}

async function askDiscord(config: DiscordConfig): Promise<Finding[]> {
  const { describeApplication } = await import('../../bot/discord/register.ts');
  const { application, commands, missing } = await describeApplication(config);
  if (commands === 0)
    return [
      failed(
        'discord',
        `The token of ${application.name} works, but no commands are registered. Run \`krona discord register\`.`,
      ),
    ];
  if (missing.length > 0)
    return [
      warning(
        'discord',
        `The registered commands are old: ${missing.join(', ')} is missing. Run \`krona discord register\`.`,
      ),
    ];
  return [ok('discord', `the token of ${application.name} works, ${commands} commands`)];
}

export async function lookAtSlack({ slack }: Config): Promise<Finding[]> {
  if (slack === null) return [];
  if (slack.botToken === null)
    return [
      ok('slack', 'no SLACK_BOT_TOKEN: only workspaces in which the app was installed by OAuth are served'),
    ];
  return askSlack(slack.botToken, slack);
}

async function askSlack(botToken: string, config: SlackConfig): Promise<Finding[]> {
  const { describeInstallation } = await import('../../bot/slack/installation.ts');
  const { workspace, missing } = await describeInstallation(botToken, config);
  if (missing.length > 0)
    return missing.map(({ scope, without }) =>
      warning('slack', `The app lacks the scope ${scope}, so ${without}. Add it, and reinstall the app.`),
    );
  return [ok('slack', `the tokens for ${workspace} work, with all scopes`)];
}
