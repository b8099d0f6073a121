import { openSlackChat } from './slack-driver.ts';
import { runVoteScenarios } from './votes.suite.ts';

runVoteScenarios('Slack', openSlackChat);
