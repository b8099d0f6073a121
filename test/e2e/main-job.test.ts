/** The whole of Krona as `npm start` runs it: real program, engine and browser; only the model is a tiny one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import { drop, say, sprite } from '../bot/world.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

let folder: string;
let program: ChildProcess;
let browser: Browser;
let mia: Page;
let ben: Page;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-e2e-'));
  program = spawn(process.execPath, [...nodeOptions, 'cli/krona.ts', 'start', '--json'], {
    env: { ...process.env, KRONA_DATA: folder, KRONA_MODEL: TINY_MODEL, KRONA_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const address = await firstLine(program);
  browser = await launchChromium();
  mia = await newcomer(address, 'Mia');
  ben = await newcomer(address, 'Ben');
});

afterAll(async () => {
  await browser.close();
  program.kill('SIGTERM');
  await once(program, 'exit');
  await rm(folder, { recursive: true, force: true });
});

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of stdout!) {
    text += String(chunk);
    if (text.includes('\n')) return (JSON.parse(text) as { address: string }).address;
  }
  throw new Error(`krona start ended, saying: ${text}`);
}

/** A browser of its own is another member. */
async function newcomer(address: string, name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(100_000);
  await page.goto(address);
  await page.getByLabel('What should people call you?').fill(name);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByRole('textbox', { name: /^Message #/ }).waitFor();
  return page;
}

const card = (page: Page, title: RegExp) =>
  page
    .locator('article.card')
    .filter({ has: page.getByRole('heading', { name: title }) })
    .last();
/** Pictures that the browser has really decoded. */
const decoded = (page: Page, title: RegExp) =>
  card(page, title)
    .locator('.tile img')
    .evaluateAll((list) => (list as HTMLImageElement[]).filter((each) => each.naturalWidth > 0).length);

describe('the main job', () => {
  it("refuses factors that don't fit the model, and takes those that do", async () => {
    // The worker tells what its model is some seconds after the first page.
    await expect
      .poll(
        async () => {
          await say(mia, '/krona settings set a1:7');
          const answer = mia.locator('article.card').last();
          await answer.waitFor();
          return answer.textContent();
        },
        { timeout: 100_000, interval: 3000 },
      )
      .toMatch(/a1=7 does not divide \d+/);
    await say(mia, '/krona settings set a1:4 a2:2 steps:24 sampling_steps:3 count:2 lr:0.01');
    await card(ben, /settings/i)
      .getByText('24')
      .first()
      .waitFor();
  });

  it('trains on four dropped photos, visible to everybody', async () => {
    const colours = ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd'];
    const photos = colours.map(async (colour, n) => ({
      name: `mochi-${n}.png`,
      bytes: await sprite('cat-face', colour, 128, 8 * n),
    }));
    await drop(mia, await Promise.all(photos));
    await say(mia, '/krona train subject:mochi class:cat');
    await card(ben, /mochi is trained/).waitFor();
    await expect
      .poll(() => decoded(ben, /Which mochi is the best/), { timeout: 60_000 })
      .toBeGreaterThanOrEqual(1);
    await card(ben, /mochi is trained/)
      .getByRole('link', { name: /safetensors/ })
      .first()
      .waitFor();
  });

  it('draws the subject by its name and counts the vote of another member', async () => {
    await say(ben, '/krona imagine a watercolour of mochi');
    await expect.poll(() => decoded(ben, /watercolour of mochi/), { timeout: 90_000 }).toBe(2);
    await mia
      .getByRole('button', { name: /^Vote for picture 1;/ })
      .last()
      .click();
    await ben
      .getByRole('button', { name: /^Vote for picture 1;.*1/ })
      .last()
      .waitFor();
    await say(ben, '/krona top');
    await card(ben, /Best pictures/).waitFor();
  });
});
