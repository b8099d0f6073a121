import { openDiscordChat } from './discord-driver.ts';
import { runFaults } from './faults.suite.ts';

runFaults('Discord', openDiscordChat);
