import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../helpers/chromium.ts';
import { enter, say } from './world.ts';
const DESKTOP = { viewport: { width: 1180, height: 960 }, deviceScaleFactor: 1 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true };
async function newcomer(browser: Browser, address: string, name: string, device: object): Promise<Page> {
  const page = await (await browser.newContext(device)).newPage();
  page.setDefaultTimeout(120_000);
  page.on('console', (m) => m.type() === 'error' && console.log('console', m.text()));
  await page.goto(address); await enter(page, name); return page;
}
const pictures = async (page: Page, title: string, count: number) => {
  const card = page.locator('article.card').filter({ has: page.getByRole('heading', { name: title }) });
  await card.last().locator('.tile.shown').nth(count - 1).waitFor();
};
const folder = await mkdtemp(join(tmpdir(), 'krona-look-'));
const program = spawn(process.execPath, ['bin/krona.js', 'start', '--json'], { env: { ...process.env, KRONA_DATA: folder, KRONA_PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(program, 'exit');
const browser = await launchChromium();
try {
  const [line] = (await once(program.stdout, 'data')) as [Buffer];
  const { address } = JSON.parse(line.toString()) as { address: string };
  const mia = await newcomer(browser, address, 'Mia', DESKTOP);
  const ada = await newcomer(browser, address, 'Ada', PHONE);
  await say(mia, '/krona imagine a {fox|cat} on a blue background --seed 11');
  await pictures(mia, 'fox|cat', 2);
  await pictures(ada, 'fox|cat', 2);
  await mia.screenshot({ path: '/tmp/look1.png' }); await ada.screenshot({ path: '/tmp/look1p.png' });
  await mia.getByRole('button', { name: 'Remix' }).first().click();
  await mia.waitForTimeout(1500);
  await mia.screenshot({ path: '/tmp/look2.png' });
  await ada.getByRole('button', { name: 'Remix' }).first().tap();
  await ada.waitForTimeout(1500);
  await ada.screenshot({ path: '/tmp/look2p.png' });
  await mia.keyboard.type('a robot on a blue background change:0.6 count:1');
  await mia.keyboard.press('Enter');
  await pictures(mia, 'a robot on a blue background', 1);
  await mia.getByRole('button', { name: /^Enlarge: a robot/ }).last().click();
  await mia.waitForTimeout(800);
  await mia.screenshot({ path: '/tmp/look3.png' });
  await mia.getByRole('dialog').getByRole('button', { name: 'Remix' }).click();
  await mia.waitForTimeout(1000);
  await mia.locator('textarea').fill('/krona edit a robot on a green background where:background count:1');
  await mia.keyboard.press('Enter');
  await pictures(mia, 'a robot on a green background', 1);
  await mia.getByRole('button', { name: 'Details' }).last().click();
  await mia.waitForTimeout(1500);
  await mia.screenshot({ path: '/tmp/look4.png' }); await ada.waitForTimeout(500); await ada.screenshot({ path: '/tmp/look4p.png' });
  await say(mia, '/krona style save name:ink prompt:"ink drawing"'); await say(mia, '/krona style list'); await say(mia, '/krona help edit');
  await mia.waitForTimeout(2000);
  await mia.screenshot({ path: '/tmp/look5.png' });
} finally { await browser.close(); program.kill('SIGTERM'); await ended; await rm(folder, { recursive: true, force: true }); }
