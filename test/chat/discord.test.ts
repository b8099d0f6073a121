import { openDiscordChat } from './discord-driver.ts';
import { runChatScenarios } from './scenarios.suite.ts';

runChatScenarios('Discord', openDiscordChat, {
  'photos shown to one member':
    'they stand in messages of Discord’s own kind that go when he loads its page again',
});
