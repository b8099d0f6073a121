import { openDiscordWorld, photos } from './discord-world.ts';
const t0 = Date.now(); const t = () => ((Date.now() - t0) / 1000).toFixed(1);
const world = await openDiscordWorld();
console.log(t(), 'open', await world.discord.connections());
const { id, join } = await world.channel();
const ann = await join('Ann');
const [one, two] = await photos();
console.log(t(), 'photos');
const i = await world.discord.command(ann.id, id, 'photos add', { subject: 'mochi', class: 'cat', photo1: one!, photo2: two! });
for (let n = 0; n < 12; n++) { await new Promise((r) => setTimeout(r, 1000)); const s = await world.discord.interaction(i); console.log(t(), s.state); if (s.state === 'gone') break; }
console.log(await world.discord.requests(), await world.discord.violations(), world.problems);
await world.close();
console.log(t(), 'closed');
