import { openWebChat } from './web-driver.ts';
import { runChatScenarios } from './scenarios.suite.ts';

runChatScenarios('the web chat', openWebChat, {
  'votes while the bot is away': 'its votes go straight to the bot, which is away',
});
