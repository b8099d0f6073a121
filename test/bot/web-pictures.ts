/**
 * @file Makes docs/images/chat.png and chat-pictures.png from the running program, the embedded model included:
 * npx tsx test/bot/web-pictures.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { launchChromium } from '../helpers/chromium.ts';
import { drop, say } from './world.ts';

const images = join(import.meta.dirname, '../../docs/images');
const icons = createRequire(import.meta.url)('@iconify-json/noto/icons.json') as {
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
};

/** A drawing that the model has never seen, four times. */
async function photos(name: string) {
  const svg = (turn: number) =>
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128" width="430"><g transform="rotate(${turn} 64 64)">${icons.icons[name]!.body}</g></svg>`;
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

const folder = await mkdtemp(join(tmpdir(), 'krona-pictures-'));
const program = spawn(process.execPath, ['--import', 'tsx', 'cli/krona.ts', 'start', '--json'], {
  env: { ...process.env, KRONA_DATA: folder, KRONA_PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [line] = (await once(program.stdout, 'data')) as [Buffer];
const { address } = JSON.parse(line.toString()) as { address: string };
const browser = await launchChromium();

async function newcomer(name: string): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1180, height: 900 },
    deviceScaleFactor: 1.5,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(address);
  await page.getByLabel('What should people call you?').fill(name);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByRole('textbox', { name: /^Message #/ }).waitFor();
  return page;
}
const card = (page: Page, title: string | RegExp) =>
  page
    .locator('article.card')
    .filter({ has: page.getByRole('heading', { name: title }) })
    .last();
const pictures = (page: Page, title: string | RegExp, count: number) =>
  card(page, title)
    .locator('.tile img')
    .nth(count - 1)
    .waitFor();

const [mia, ben] = [await newcomer('Mia'), await newcomer('Ben')];
await drop(mia, await photos('t-rex'));
await say(mia, '/krona train subject:rex class:dinosaur');
await pictures(ben, 'Learning rex', 2);
await ben.waitForTimeout(400);
await ben.screenshot({ path: join(images, 'chat.png') });
await card(ben, 'rex is trained').waitFor();
await say(ben, '/krona imagine rex on a yellow background');
await pictures(mia, /rex on a yellow/, 4);
await say(mia, '/krona imagine a 3d mushroom on a purple background');
await pictures(mia, /3d mushroom/, 4);
for (const [page, picture] of [
  [ben, 2],
  [mia, 2],
  [ben, 4],
] as const)
  await page
    .getByRole('button', { name: new RegExp(`^Vote for picture ${picture};`) })
    .last()
    .click();
await mia.waitForTimeout(800);
await mia.screenshot({ path: join(images, 'chat-pictures.png') });
await browser.close();
program.kill('SIGTERM');
await once(program, 'exit');
await rm(folder, { recursive: true, force: true });
