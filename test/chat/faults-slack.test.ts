import { openSlackChat } from './slack-driver.ts';
import { runFaults } from './faults.suite.ts';

runFaults('Slack', openSlackChat);
