/** `krona start` with a token that the platform does not take: one line, and an exit code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeDiscord, startFakeDiscord } from '../fakes/discord/fake-discord.ts';
import { FakeSlack } from '../fakes/slack/fake-slack.ts';
import { APP_TOKEN, BOT_TOKEN } from '../fakes/slack/workspace.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { kronaProcess } from './run-krona.ts';

let discord: FakeDiscord;
let slack: FakeSlack;
let house: TestHouse;
beforeAll(async () => {
  [discord, slack] = await Promise.all([startFakeDiscord(), FakeSlack.start()]);
  house = await openServerHouse();
});
afterAll(async () => {
  await Promise.all([discord.stop(), slack.stop()]);
  await house.close();
});

/** What is set, and the line that it ends with. */
const CASES: readonly [what: string, tokens: Record<string, string>, line: RegExp][] = [
  [
    'one that Discord does not know',
    { DISCORD_TOKEN: 'wrong.token' },
    /^DISCORD_TOKEN_INVALID: .* DISCORD_TOKEN\. .*restart Krona\.$/,
  ],
  [
    'two of Slack’s swapped',
    { SLACK_BOT_TOKEN: APP_TOKEN, SLACK_APP_TOKEN: BOT_TOKEN },
    /^SLACK_TOKEN_INVALID: Slack does not accept SLACK_BOT_TOKEN .*restart Krona\.$/,
  ],
  [
    'a bot’s that Slack does not know',
    { SLACK_BOT_TOKEN: 'xoxb-wrong', SLACK_APP_TOKEN: APP_TOKEN },
    /^SLACK_TOKEN_INVALID: Slack does not accept SLACK_BOT_TOKEN \(invalid_auth\).*restart Krona\.$/,
  ],
  [
    'an app’s that Slack does not know',
    { SLACK_BOT_TOKEN: BOT_TOKEN, SLACK_APP_TOKEN: 'xapp-wrong' },
    /^SLACK_TOKEN_INVALID: Slack does not accept SLACK_APP_TOKEN \(invalid_auth\).*restart Krona\.$/,
  ],
];

describe('krona start with a refused token', () => {
  it.each(CASES)(
    '%s',
    async (_, tokens, line) => {
      const apis = { KRONA_DISCORD_API: (await discord.config()).api!, KRONA_SLACK_API: slack.config().api! };
      const env = { ...house.environment, ...apis, ...tokens };
      const { code, stdout, stderr } = await kronaProcess(['start'], undefined, env);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr.trim()).toMatch(line);
      expect(stderr).not.toContain('wrong');
    },
    300_000,
  );
});
