import { runChatScenarios } from './scenarios.suite.ts';
import { openSlackChat } from './slack-driver.ts';

runChatScenarios('Slack', openSlackChat);
