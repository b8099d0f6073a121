import { openWebChat } from './web-driver.ts';
import { runVoteScenarios } from './votes.suite.ts';

runVoteScenarios('the web chat', openWebChat);
