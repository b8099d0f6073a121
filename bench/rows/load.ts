/**
 * @file The bot under load: 200 members send commands within 10 s, on Discord and on Slack servers in separate
 * processes, while the worker trains and draws their requests. The program is `krona start`, as in production.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nodeOptions } from '../../core/own-program.ts';
import { registerCommands } from '../../bot/discord/register.ts';
import {
  type CrowdOptions,
  type CrowdPlatform,
  discordCrowd,
  letCrowdIn,
  slackCrowd,
} from '../../test/chat/crowd.ts';
import { photos } from '../../test/bot/discord-world.ts';
import { type FakeDiscord, startFakeDiscord } from '../../test/fakes/discord/fake-discord.ts';
import { FakeSlack } from '../../test/fakes/slack/fake-slack.ts';
import type { Context, Measured } from '../context.ts';
import { median, short, type Row } from '../report.ts';

const CROWD: CrowdOptions = { members: 200, channels: 10, within: 10_000, patience: 120_000 };
const FEW: CrowdOptions = { members: 20, channels: 4, within: 1_000, patience: 120_000 };
/** Time for the worker to begin the training, ms. */
const PATIENCE = 180_000;

export async function measureLoad({ model, quick, folder }: Context): Promise<Measured> {
  const [discord, slack] = await Promise.all([startFakeDiscord(), FakeSlack.start()]);
  try {
    const discordConfig = await discord.config();
    const slackConfig = slack.config();
    await registerCommands(discordConfig, null);
    const stop = await startKrona({
      KRONA_DATA: folder,
      KRONA_MODEL: model,
      DISCORD_TOKEN: discordConfig.token,
      KRONA_DISCORD_API: discordConfig.api!,
      SLACK_BOT_TOKEN: slackConfig.botToken,
      SLACK_APP_TOKEN: slackConfig.appToken!,
      KRONA_SLACK_API: slackConfig.api!,
    });
    try {
      const trains = await beginTraining(discord);
      const crowd = quick ? FEW : CROWD;
      const rows = [
        ...(await measure('Discord', discordCrowd(discord), crowd)),
        ...(await measure('Slack', slackCrowd(slack), crowd)),
      ];
      if (!(await trains())) throw new Error('the training ended before all commands were handled');
      return { rows };
    } finally {
      await stop();
    }
  } finally {
    await Promise.all([discord.stop(), slack.stop()]);
  }
}

async function measure(name: string, platform: CrowdPlatform, crowd: CrowdOptions): Promise<Row[]> {
  const { acknowledgements, lost, twice, misplaced } = await letCrowdIn(platform, crowd);
  const { members, channels, within } = crowd;
  const what = `${members} members send commands within ${within / 1000} s while a training runs, ${name}`;
  const unheard = members - acknowledgements.length;
  return [
    {
      what: `${what}: slowest acknowledgement`,
      // A command without an acknowledgement counts as the slowest.
      value: unheard > 0 ? Infinity : Math.max(...acknowledgements),
      unit: 'ms',
      goal: { sign: '≤', value: 1000 },
      detail: `in ${channels} channels, half of them for pictures; median ${short(median(acknowledgements))} ms`,
      raw: acknowledgements,
      rawUnit: 'ms',
    },
    {
      what: `${what}: lost, answered twice or out of order`,
      value: lost + twice + misplaced + unheard,
      unit: 'commands',
      goal: { sign: '≤', value: 0 },
      detail: `${lost} lost, ${twice} twice, ${misplaced} out of their channel's order`,
      raw: [lost, twice, misplaced],
      rawUnit: 'commands',
    },
  ];
}

/** Starts the whole program; the returned function stops it. */
async function startKrona(settings: Readonly<Record<string, string>>): Promise<() => Promise<void>> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...settings, KRONA_HOST: '127.0.0.1', KRONA_PORT: '0' };
  for (const name of ['KRONA_URL', 'DATABASE_URL', 'REDIS_URL']) delete env[name];
  const program = spawn(process.execPath, [...nodeOptions, 'cli/krona.ts', 'start', '--json'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await Promise.race([
    once(program.stdout, 'data'),
    once(program, 'exit').then(([code]) => {
      throw new Error(`krona start stopped with ${code}`);
    }),
  ]);
  return async () => {
    const ended = once(program, 'exit');
    program.kill('SIGTERM');
    await ended;
  };
}

/** Starts a long training, and waits until it takes steps. Returns a check whether it is still running. */
async function beginTraining(discord: FakeDiscord): Promise<() => Promise<boolean>> {
  const channelId = await discord.addChannel('training');
  const memberId = await discord.addUser('Trainer');
  const given = (await photos()).map((photo, n) => [`photo${n + 1}`, photo] as const);
  await discord.command(memberId, channelId, 'train', {
    subject: 'mochi',
    class: 'cat',
    steps: 5000,
    ...Object.fromEntries(given),
  });
  const trains = async () =>
    (await discord.everything(channelId)).some(({ text }) => /Learning mochi\n[^]*step \d/.test(text));
  for (const until = performance.now() + PATIENCE; !(await trains()); await sleep(200))
    if (performance.now() > until) throw new Error('the worker did not start the training');
  return trains;
}
