/**
 * @file Makes docs/images/discord-*.png: plays a conversation with the real bot on the fake Discord and draws its
 * messages, with pictures that the embedded model drew. `npx tsx test/bot/discord-pictures.ts [folder]`
 */
import type { Page } from 'playwright-core';
import { runTitle } from '../../commands/cards/run-card.ts';
import { finalsTitle } from '../../commands/cards/set-card.ts';
import { formPage, messagesPage } from '../fakes/discord/page.ts';
import type { MessageView } from '../fakes/discord/views.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { savePicture } from '../helpers/docs-picture.ts';
import { Mochi, mochiPhotos } from '../helpers/mochi.ts';
import { until } from '../helpers/until.ts';
import { openDiscordWorld } from './discord-world.ts';

const mochi = await Mochi.train();
const world = await openDiscordWorld();
const browser = await launchChromium();
const page: Page = await browser.newPage({ viewport: { width: 680, height: 400 }, deviceScaleFactor: 1.5 });

async function shoot(name: string, content: string): Promise<void> {
  await page.setContent(content, { waitUntil: 'networkidle' });
  await savePicture(`discord-${name}`, await page.locator('body').screenshot());
}
const messages = (name: string, ...views: MessageView[]) => shoot(name, messagesPage(views));

try {
  const { id, join } = await world.channel();
  const [ann, bob, cleo] = [await join('Ann'), await join('Bob'), await join('Cleo')];
  const { worker } = world;

  const asked = await ann.command('train', { subject: 'mochi', class: 'cat' });
  await shoot('form', formPage(asked.form as unknown as Parameters<typeof formPage>[0]));
  await ann.submit(asked.id, {
    photos: [...(await mochiPhotos()), { name: 'notes.png', bytes: Buffer.from('not a picture') }],
    consent: true,
  });
  const verdict = await ann.found('of 5 photos kept');
  const run = await worker.run(id);
  await worker.progress(run, run.settings.steps * 0.6, 95);
  const half = Math.floor(run.settings.steps / 2);
  const early = await worker.adapter(run, half, false);
  await worker.picturesOfRun(run, 'samples', early, await mochi.draw('a mochi', 2, 1, half));
  const running = await until(async () => {
    const message = await ann.found(runTitle('running', 'mochi'));
    return message.pictures.length === 3 ? message : null;
  }, 'samples in the message of the run');
  await messages('training', running, verdict);

  const final = await worker.adapter(run, run.settings.steps, true);
  await worker.progress(run, run.settings.steps, 0);
  await worker.picturesOfRun(run, 'finals', final, await mochi.draw('a mochi', 4));
  await worker.finish(run);
  const done = await until(async () => {
    const message = await ann.found(finalsTitle('mochi'));
    return message.reactions.length === 4 ? message : null;
  }, 'numbers under the result');
  const trained = await ann.found(runTitle('done', 'mochi'));
  await messages('result', trained, done);

  await ann.press(trained.id, 'Make champion');
  const prompt = 'mochi on an orange background';
  await ann.command('imagine', { prompt });
  await worker.draw(await worker.set(id), await mochi.draw(prompt, 4));
  const drawn = await until(async () => {
    const message = await ann.found(prompt);
    return message.reactions.length === 4 ? message : null;
  }, 'numbers under the pictures');
  for (const person of [bob, cleo]) await person.react(drawn.id, '2️⃣');
  await bob.react(drawn.id, '4️⃣');
  const voted = await ann.found('4 · 4️⃣ 1');
  const details = await (await bob.press(drawn.id, 'Details')).answered();
  await messages('pictures', voted, details);
} finally {
  await browser.close();
  await world.close();
  await mochi.release();
}
