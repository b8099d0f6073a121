import { openDiscordChat } from './discord-driver.ts';
import { runVoteScenarios } from './votes.suite.ts';

runVoteScenarios('Discord', openDiscordChat);
