import { openDiscordChat } from './discord-driver.ts';
import { runChatScenarios } from './scenarios.suite.ts';

runChatScenarios('Discord', openDiscordChat);
