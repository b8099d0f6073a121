/**
 * @file Makes docs/images/discord-*.png: `npx tsx test/bot/discord-images.ts [folder]`. The messages are those that
 * the bot really sends, taken from a conversation on the fake Discord; only the frame around them is drawn.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { formPage, messagesPage } from '../fakes/discord/page.ts';
import type { MessageView } from '../fakes/discord/views.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { until } from '../helpers/until.ts';
import { openDiscordWorld, photos } from './discord-world.ts';
import { sprite } from './world.ts';

const folder = process.argv[2] ?? join(import.meta.dirname, '../../docs/images');
await mkdir(folder, { recursive: true });
const world = await openDiscordWorld();
const browser = await launchChromium();
const page: Page = await browser.newPage({ viewport: { width: 680, height: 400 }, deviceScaleFactor: 1.5 });

async function shoot(name: string, content: string): Promise<void> {
  await page.setContent(content, { waitUntil: 'networkidle' });
  await page.locator('body').screenshot({ path: join(folder, `discord-${name}.png`) });
}
const messages = (name: string, ...views: MessageView[]) => shoot(name, messagesPage(views));

try {
  const { id, join: comeIn } = await world.channel();
  const [ann, bob, cleo] = [await comeIn('Ann'), await comeIn('Bob'), await comeIn('Cleo')];
  const { worker } = world;
  const pictures = (names: readonly string[], background: string) =>
    Promise.all(names.map((name) => sprite(name, background, 256)));

  const asked = await ann.command('train', { subject: 'mochi', class: 'cat' });
  await shoot('form', formPage(asked.form as unknown as Parameters<typeof formPage>[0]));
  await ann.submit(asked.id, {
    photos: [...(await photos()), { name: 'notes.png', bytes: Buffer.from('not a picture') }],
    consent: true,
  });
  const verdict = await ann.found('of 5 photos kept');
  const run = await until(() => worker.run(id).catch(() => null));
  await worker.progress(run, run.settings.steps * 0.6, 95);
  const early = await worker.adapter(run, Math.round(run.settings.steps * 0.5), false);
  const faces = ['cat-face', 'grinning-cat', 'cat-with-wry-smile', 'cat'];
  await worker.picturesOfRun(run, 'samples', early, await pictures(faces.slice(0, 2), '#9aa7c4'));
  const running = await until(async () => {
    const message = await ann.found('Training mochi');
    return message.pictures.length === 3 ? message : null;
  });
  await messages('training', running, verdict);

  const final = await worker.adapter(run, run.settings.steps, true);
  await worker.progress(run, run.settings.steps, 0);
  await worker.picturesOfRun(run, 'finals', final, await pictures(faces, '#c4a79a'));
  await worker.finish(run);
  const done = await until(async () => {
    const message = await ann.found('Which mochi is the best');
    return message.reactions.length === 4 ? message : null;
  });
  const learnt = await ann.found('mochi is trained');
  await messages('result', learnt, done);

  await ann.press(learnt.id, 'Make champion');
  await ann.command('imagine', { prompt: 'a watercolour of mochi in the garden' });
  const set = await until(() => worker.set(id).catch(() => null));
  await worker.draw(set, await pictures(faces, '#9cc49a'));
  const drawn = await until(async () => {
    const message = await ann.found('a watercolour of mochi in the garden');
    return message.reactions.length === 4 ? message : null;
  });
  for (const person of [bob, cleo]) await person.react(drawn.id, '2️⃣');
  await bob.react(drawn.id, '4️⃣');
  const voted = await ann.found('4 · 4️⃣ 1');
  const details = await (await bob.press(drawn.id, 'Details')).answered();
  await messages('pictures', voted, details);

  await cleo.command('top');
  const refused = (await bob.command('settings train', { a1: 8 })).answers;
  await messages('top', await cleo.found('Best pictures'), ...refused);
  await messages('help', ...(await bob.command('help')).answers);
} finally {
  await browser.close();
  await world.close();
}
