/**
 * @file Makes docs/images/chat*.png from the running program, the embedded model included.
 * `npx tsx test/bot/web-pictures.ts [folder]`
 */
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { runTitle } from '../../commands/cards/run-card.ts';
import { savePicture } from '../helpers/docs-picture.ts';
import { withProgram } from './started-program.ts';
import { drop, enter, say } from './world.ts';

const icons = createRequire(import.meta.url)('@iconify-json/noto/icons.json') as {
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
};
const DESKTOP = { viewport: { width: 1180, height: 960 }, deviceScaleFactor: 1.5 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** A drawing that the model has never seen, four times. */
async function photos(name: string) {
  const svg = (turn: number) =>
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 148 148" width="512"><g transform="rotate(${turn} 64 64)">${icons.icons[name]!.body}</g></svg>`;
  return Promise.all(
    ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd'].map(async (background, n) => ({
      name: `rex-${n + 1}.png`,
      bytes: await sharp({ create: { width: 512, height: 512, channels: 3, background } })
        .composite([
          {
            input: await sharp(Buffer.from(svg([0, 6, -6, 3][n]!)))
              .png()
              .toBuffer(),
          },
        ])
        .png()
        .toBuffer(),
    })),
  );
}

async function newcomer(browser: Browser, address: string, name: string, device = DESKTOP): Promise<Page> {
  const page = await (await browser.newContext(device)).newPage();
  page.setDefaultTimeout(180_000);
  await page.goto(address);
  await enter(page, name);
  return page;
}

/** Waits until the newest card with a title shows this many pictures. */
async function pictures(page: Page, title: string, count: number): Promise<void> {
  const card = page.locator('article.card').filter({ has: page.getByRole('heading', { name: title }) });
  await card
    .last()
    .locator('.tile.shown')
    .nth(count - 1)
    .waitFor();
}

async function vote(page: Page, picture: number, votes: number): Promise<void> {
  const heart = (counted: string) =>
    page.getByRole('button', { name: new RegExp(`^Vote for picture ${picture}; ${counted} so far`) }).last();
  await heart(String(votes - 1)).click();
  await heart(String(votes)).waitFor();
}

async function converse(browser: Browser, address: string): Promise<void> {
  const [mia, ben, ada] = [
    await newcomer(browser, address, 'Mia'),
    await newcomer(browser, address, 'Ben'),
    await newcomer(browser, address, 'Ada', PHONE),
  ];
  await drop(mia, await photos('t-rex'));
  await say(mia, '/krona train subject:rex class:dinosaur');
  await pictures(ben, runTitle('running', 'rex'), 2);
  await savePicture('chat', await ben.screenshot());
  await pictures(ada, runTitle('running', 'rex'), 2);
  await savePicture('chat-phone', await ada.screenshot());
  await ben.getByRole('heading', { name: runTitle('done', 'rex') }).waitFor();
  await say(ben, '/krona imagine rex on a yellow background');
  await pictures(mia, 'rex on a yellow background', 4);
  await say(mia, '/krona imagine a 3d mushroom on a purple background');
  for (const page of [ada, ben]) await pictures(page, 'a 3d mushroom on a purple background', 4);
  await vote(ada, 2, 1);
  await vote(ben, 4, 1);
  await vote(ben, 2, 2);
  await savePicture('chat-pictures', await ben.screenshot());
}

await withProgram(converse);
