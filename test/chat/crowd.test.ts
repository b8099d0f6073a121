/** Sixty members at once, on the whole bot. How fast it is, `npm run bench` tells. */
import { describe, expect, it } from 'vitest';
import { openDiscordWorld } from '../bot/discord-world.ts';
import { SlackWorld } from '../bot/slack-world.ts';
import { type CrowdPlatform, discordCrowd, letCrowdIn, slackCrowd } from './crowd.ts';

async function expectAllAnswered(platform: CrowdPlatform): Promise<void> {
  const { acknowledgements, ...counts } = await letCrowdIn(platform, {
    members: 60,
    channels: 6,
    within: 0,
    patience: 180_000,
  });
  expect(counts).toEqual({ lost: 0, twice: 0, misplaced: 0 });
  expect(acknowledgements).toHaveLength(60);
}

describe("commands from sixty members at once are acknowledged and answered once, in their channel's order", () => {
  it('on Discord', async () => {
    const world = await openDiscordWorld();
    try {
      await expectAllAnswered(discordCrowd(world.discord));
      expect(await world.discord.violations()).toEqual([]);
    } finally {
      await world.close();
    }
  }, 300_000);

  it('on Slack', async () => {
    const world = await SlackWorld.open();
    try {
      await expectAllAnswered(slackCrowd(world.slack));
      expect((await world.slack.see()).problems).toEqual([]);
    } finally {
      await world.close();
    }
  }, 300_000);
});
