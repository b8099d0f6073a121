/**
 * @file Makes docs/images/chat-preview.png, chat-gallery.png and chat-brush.png from the running program.
 * `npx tsx test/bot/web-looks-pictures.ts [folder]`; with KRONA_LOOKS=folder, also tables and cards at three widths, to look at.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { savePicture } from '../helpers/docs-picture.ts';
import { withProgram } from './started-program.ts';
import { enter, say } from './world.ts';

const looks = process.env['KRONA_LOOKS'];
const SETS = [
  'a 3d mushroom on a purple background',
  'a fox on a yellow background',
  'a watercolor owl on a pink background',
  'a red car on a white background',
];

async function joined(browser: Browser, address: string, name: string, width: number): Promise<Page> {
  const phone =
    width < 800 ? { isMobile: true, hasTouch: true, deviceScaleFactor: 2 } : { deviceScaleFactor: 1.5 };
  const context = await browser.newContext({
    viewport: { width, height: width < 800 ? 844 : 1150 },
    ...phone,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(180_000);
  await page.goto(address);
  await enter(page, name);
  return page;
}

const card = (page: Page, title: string) => page.locator('article.card').filter({ hasText: title }).last();

async function pictures(page: Page, title: string, count: number): Promise<void> {
  await card(page, title)
    .locator('.tile.shown')
    .nth(count - 1)
    .waitFor();
}

/** A picture to look at, in no page of the docs. */
async function look(page: Page, name: string): Promise<void> {
  if (looks !== undefined)
    await page.screenshot({ path: join(looks, `${name}-${page.viewportSize()!.width}.png`) });
}

const loaded = (page: Page) =>
  page
    .locator('.shelf img')
    .evaluateAll((images) => Promise.all(images.map((image) => (image as HTMLImageElement).decode())));

async function preview(mia: Page): Promise<void> {
  await say(mia, `/krona imagine ${SETS[0]} steps:80`);
  const set = card(mia, SETS[0]!);
  await set.locator('.tile.shown').nth(1).waitFor();
  await set.locator('.so-far img').waitFor();
  await savePicture('chat-preview', await set.screenshot());
}

async function brush(mia: Page): Promise<void> {
  await card(mia, SETS[1]!).getByRole('button', { name: 'Edit' }).first().click();
  const canvas = mia.getByRole('application');
  const { x, y, width, height } = (await canvas.boundingBox())!;
  await mia.getByRole('slider', { name: 'Size' }).fill('18');
  await mia.mouse.move(x + 0.2 * width, y + 0.25 * height);
  await mia.mouse.down();
  for (const [right, down] of [
    [0.5, 0.16],
    [0.75, 0.25],
  ] as const)
    await mia.mouse.move(x + right * width, y + down * height, { steps: 8 });
  await mia.mouse.up();
  await savePicture('chat-brush', await mia.screenshot());
}

async function tables(page: Page): Promise<void> {
  await look(page, 'set');
  for (const [command, title] of [
    ['/krona help', 'Train Krona with your photos'],
    ['/krona settings show', 'Settings of this channel'],
    ['/krona rules show', 'Rules of this channel'],
    ['/krona gallery fox', 'Gallery'],
  ] as const) {
    await say(page, command);
    await card(page, title).scrollIntoViewIfNeeded();
    await look(page, command.replaceAll(/\W+/g, '-').slice(1));
  }
  await page.getByRole('button', { name: 'Edit' }).last().click();
  await page.getByRole('application').waitFor();
  await look(page, 'brush');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('link', { name: 'Gallery' }).click();
  await page.locator('.shelf li').nth(7).waitFor();
  await loaded(page);
  await look(page, 'gallery-page');
}

await withProgram(async (browser, address) => {
  const mia = await joined(browser, address, 'Mia', 1280);
  await preview(mia);
  for (const prompt of SETS.slice(1)) {
    await say(mia, `/krona imagine ${prompt}`);
    await pictures(mia, prompt, 4);
  }
  await mia.getByRole('link', { name: 'Gallery' }).click();
  await mia.locator('.shelf li').nth(15).waitFor();
  await loaded(mia);
  await savePicture('chat-gallery', await mia.screenshot());
  await mia.goBack();
  await pictures(mia, SETS[1]!, 4);
  await brush(mia);
  if (looks === undefined) return;
  await mia.keyboard.press('Escape');
  for (const width of [390, 320]) await tables(await joined(browser, address, `Ann ${width}`, width));
  await tables(mia);
});
