/**
 * @file Makes docs/images/slack-*.png: plays a conversation with the real bot on the fake Slack and draws its messages,
 * with pictures that the embedded model drew. `npx tsx test/bot/slack-pictures.ts [folder]`
 */
import type { Browser } from 'playwright-core';
import { finalsTitle } from '../../commands/cards/set-card.ts';
import { runTitle } from '../../commands/cards/run-card.ts';
import { imagesOf, textOf } from '../fakes/slack/fake-slack.ts';
import { BOT_TOKEN, type Json } from '../fakes/slack/workspace.ts';
import { messageHtml, viewHtml } from '../helpers/block-kit-html.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { savePicture } from '../helpers/docs-picture.ts';
import { Mochi, mochiPhotos } from '../helpers/mochi.ts';
import { until } from '../helpers/until.ts';
import { SlackWorld } from './slack-world.ts';

/** Data addresses of the files that blocks show. */
async function picturesOf(world: SlackWorld, blocks: readonly Json[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const id of imagesOf(blocks)) {
    const response = await fetch(`${world.slack.address}/files-pri/T0FAKE-${id}/download/x`, {
      headers: { authorization: `Bearer ${BOT_TOKEN}` },
    });
    found.set(id, `data:image/png;base64,${Buffer.from(await response.arrayBuffer()).toString('base64')}`);
  }
  return found;
}

async function shoot(browser: Browser, name: string, html: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 760, height: 200 }, deviceScaleFactor: 1.5 });
  await page.setContent(html);
  const body = page.locator('body');
  await savePicture(`slack-${name}`, await body.screenshot());
  await page.close();
}

const mochi = await Mochi.train();
const world = await SlackWorld.open();
const browser = await launchChromium();
try {
  const { slack, worker } = world;
  const [mia, ben] = [await slack.person('Mia'), await slack.person('Ben')];
  const channel = await slack.channel('pets', [mia, ben]);
  const draw = async (name: string, words: string | RegExp) => {
    const message = await world.message(channel, words);
    await shoot(browser, name, messageHtml(message, await picturesOf(world, message.blocks)));
  };

  await mia.types(channel, 'train subject:mochi class:cat');
  await shoot(browser, 'form', viewHtml(await until(() => mia.form(), 'the form'), new Map()));
  await mia.submits({ consent: true }, await mochiPhotos());
  const run = await world.openRun(channel);
  const half = Math.floor(run.settings.steps / 2);
  await worker.progress(run, half, 95);
  const checkpoint = await worker.adapter(run, half, false);
  await worker.picturesOfRun(run, 'samples', checkpoint, await mochi.draw('a mochi', 2, 1, half));
  await until(
    async () => imagesOf((await world.message(channel, runTitle('running', 'mochi'))).blocks).length === 3,
    'samples',
  );
  await draw('run', runTitle('running', 'mochi'));
  const end = await worker.adapter(run, run.settings.steps, true);
  await worker.picturesOfRun(run, 'finals', end, await mochi.draw('a mochi', 4));
  await world.storage.records.setChampion(run.subjectId, end, false);
  await worker.finish(run);
  await until(
    async () => imagesOf((await world.message(channel, finalsTitle('mochi'))).blocks).length === 4,
    'the result',
  );

  const prompt = 'mochi on a yellow background';
  await ben.types(channel, `imagine ${prompt} count:2`);
  await worker.draw(await world.openSet(channel), await mochi.draw(prompt, 2));
  const set = await until(async () => {
    const message = await world.message(channel, prompt);
    return imagesOf(message.blocks).length === 2 && message.reactions.length === 2 ? message : null;
  }, 'pictures');
  await mia.reacts(channel, set.ts, 'two');
  await until(
    async () => textOf((await world.message(channel, prompt)).blocks).includes('2 · 2️⃣ 1'),
    'the vote',
  );
  await draw('set', prompt);
  await mia.opensHome();
  const home = await until(async () => (await slack.see()).homes[mia.id], 'the Home tab');
  await shoot(browser, 'home', viewHtml(home, new Map()));
} finally {
  await browser.close();
  await world.close();
  await mochi.release();
}
