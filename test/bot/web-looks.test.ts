/** The web chat's pages beside the conversation, in a browser: the gallery of a channel, and the brush. */
import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GALLERY_PART } from '../../bot/web/protocol.ts';
import type { PictureSet } from '../../core/records.ts';
import { MODEL } from '../commands/helpers.ts';
import { axeProblems } from '../helpers/axe.ts';
import { newSet } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { openWorld, sprite, type World } from './world.ts';

/** Any picture, and the newest first. */
const ANY = { words: [], subjectId: null, memberId: null, likes: 0 };
const NEWEST = { before: null, after: null };

let world: World;
let mia: Page;

beforeAll(async () => {
  world = await openWorld();
  await world.storage.records.saveModelCard(MODEL);
  mia = await world.join('Mia');
}, 120_000);
afterAll(() => world?.close());

/** A set that is done, with so many pictures of the same bytes. */
async function drawn(prompt: string, count: number, of: Partial<PictureSet> = {}): Promise<string[]> {
  const { records, blobs } = world.storage;
  const channel = await records.channel('web', 'general', 'general');
  const [member] = await records.membersOn('web');
  const set = await records.addSet(
    newSet({ channelId: channel.id, memberId: member!.id, prompt, count, state: 'done', ...of }),
  );
  const { hash: blobHash } = await blobs.put(await sprite('fox', '#cfe3f7'));
  const ids = Array.from({ length: count }, () => randomUUID());
  for (const [index, id] of ids.entries())
    await records.addPicture({
      id,
      setId: set.id,
      index,
      blobHash,
      width: 128,
      height: 128,
      seed: 1,
      adapterId: null,
    });
  return ids;
}

describe('the gallery', () => {
  const shown = (page: Page) => page.locator('.shelf li');

  it('grows while it is scrolled, finds words, and enlarges what is pressed', async () => {
    await drawn('a grey heron', 30);
    const [liked] = await drawn('a red fox', 30);
    await drawn('a grey fox', 30);
    const { records } = world.storage;
    const ben = await records.member('web', randomUUID(), 'Ben');
    await records.addVote({ pictureId: liked!, memberId: ben.id, emoji: '❤️', added: true });
    await mia.getByRole('link', { name: 'Gallery' }).click();
    await shown(mia)
      .nth(GALLERY_PART - 1)
      .waitFor();
    await mia.locator('.shelf img').first().scrollIntoViewIfNeeded();
    await expect
      .poll(() =>
        mia
          .locator('.shelf img')
          .first()
          .evaluate((img) => (img as HTMLImageElement).naturalWidth),
      )
      .toBe(128);
    expect(await axeProblems(mia)).toEqual([]);
    // To the end, however often more is fetched on the way.
    await expect
      .poll(async () => {
        await mia.locator('.gallery-page').evaluate((page) => page.scrollTo(0, page.scrollHeight));
        return shown(mia).count();
      })
      .toBe(90);
    await mia.getByLabel('Words of the prompt').fill('FOX gre');
    await expect.poll(() => shown(mia).count()).toBe(30);
    await mia.getByLabel('Words of the prompt').fill('');
    await mia.getByLabel('Votes').selectOption('1');
    await expect.poll(() => shown(mia).count()).toBe(1);
    expect(await shown(mia).innerText()).toContain('1 vote');
    await mia.getByRole('button', { name: 'Enlarge: a red fox' }).click();
    await mia.getByRole('dialog', { name: 'a red fox' }).getByRole('button', { name: 'Remix' }).click();
    await mia.getByRole('textbox', { name: /^Message #/ }).waitFor();
    expect(await mia.getByRole('textbox', { name: /^Message #/ }).inputValue()).toBe('/krona imagine ');
    await mia.getByRole('link', { name: 'Gallery' }).click();
    await mia.getByLabel('Words of the prompt').fill('!?');
    await mia.getByText(/Search for words or numbers/).waitFor();
    expect(world.errors).toEqual([]);
  }, 120_000);

  it('shows no picture of another channel, by no address', async () => {
    const { records } = world.storage;
    const other = await records.channel('discord', randomUUID(), 'elsewhere');
    const [id] = await drawn('a secret', 1, { channelId: other.id });
    const ask = (path: string) => mia.request.get(`${world.address}/api/channels/general/gallery${path}`);
    expect(await (await ask('?words=secret')).json()).toEqual({ pictures: [], before: null });
    expect((await ask(`/${id}/small`)).status()).toBe(404);
    const [own] = await drawn('no secret', 1);
    const small = await ask(`/${own}/small`);
    expect(small.headers()).toMatchObject({
      'content-type': 'image/webp',
      'cache-control': expect.stringContaining('immutable') as string,
    });
    const stranger = await fetch(`${world.address}/api/channels/general/gallery`);
    expect(stranger.status).toBe(401);
  });
});

describe('the brush', () => {
  /** The page with a set's card, and the dialog over its first picture. */
  async function brushing(page: Page, prompt: string) {
    const { records } = world.storage;
    await drawn(prompt, 1);
    const channel = await records.channel('web', 'general', 'general');
    const set = (await records.gallery({ ...ANY, channelId: channel.id }, NEWEST, 1))[0]!;
    await records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'set', targetId: set.setId });
    await page.goto(`${world.address}/#general`);
    // What an earlier test has written is gone with it.
    await page.reload();
    const card = page.locator('article.card').filter({ hasText: prompt });
    await card.locator('.tile.shown').waitFor();
    await card.getByRole('button', { name: 'Edit' }).click();
    const dialog = page.getByRole('dialog', { name: 'Paint the part to draw again' });
    const canvas = dialog.getByRole('application');
    await canvas.waitFor();
    return { dialog, canvas, box: (await canvas.boundingBox())! };
  }

  /** The mask that a set was asked for with, as shares of white in its four quarters. */
  async function maskOf(prompt: string): Promise<number[]> {
    const { records, blobs } = world.storage;
    const set = await until(async () => {
      const channel = await records.channel('web', 'general', 'general');
      return (await records.openWork(channel.id)).sets.find((each) => each.prompt === prompt);
    }, 'the set');
    const mask = sharp(await blobs.get(set.start!.maskHash!));
    const quarters = [];
    for (const [top, left] of [
      [0, 0],
      [0, 64],
      [64, 0],
      [64, 64],
    ] as const) {
      const part = await mask.clone().extract({ top, left, width: 64, height: 64 }).toBuffer();
      quarters.push((await sharp(part).stats()).channels[0]!.mean / 255);
    }
    return quarters;
  }

  it('paints with a mouse, takes back, erases, and sends the mask with the picture', async () => {
    const { dialog, canvas, box } = await brushing(mia, 'a plain house');
    expect(await axeProblems(mia)).toEqual([]);
    const use = dialog.getByRole('button', { name: 'Use this part' });
    expect(await use.isDisabled()).toBe(true);
    const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
    const drag = async (from: readonly [number, number], to: readonly [number, number]) => {
      await mia.mouse.move(...at(...from));
      await mia.mouse.down();
      await mia.mouse.move(...at(...to), { steps: 4 });
      await mia.mouse.up();
    };
    await drag([0.75, 0.75], [0.8, 0.8]);
    await dialog.getByRole('button', { name: 'Undo' }).click();
    expect(await use.isDisabled()).toBe(true);
    await dialog.getByRole('slider', { name: 'Size' }).fill('40');
    // The upper half; then the right of it is taken away.
    await drag([0, 0.2], [1, 0.2]);
    await dialog.getByRole('button', { name: 'Erase' }).click();
    await drag([0.98, 0.2], [0.7, 0.2]);
    expect(await canvas.evaluate((sheet) => getComputedStyle(sheet).touchAction)).toBe('none');
    await use.click();
    const message = mia.getByRole('textbox', { name: /^Message #/ });
    await expect.poll(() => message.inputValue()).toBe('/krona edit ');
    expect(await mia.getByRole('list', { name: 'Photos to send' }).getByRole('listitem').count()).toBe(2);
    await message.pressSequentially('a house with a new roof');
    await message.press('Escape');
    await message.press('Enter');
    const [upLeft, upRight, downLeft, downRight] = await maskOf('a house with a new roof');
    expect(upLeft).toBeGreaterThan(0.6);
    expect(upRight).toBeLessThan(upLeft! - 0.3);
    expect([downLeft, downRight]).toEqual([0, 0]);
    expect(world.errors).toEqual([]);
  }, 120_000);

  it('is used with the keyboard alone, and with a finger', async () => {
    const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
    const zoe = await world.join('Zoe', phone);
    zoe.setDefaultTimeout(10_000);
    const { dialog, canvas, box } = await brushing(zoe, 'a plain hut');
    expect(await axeProblems(zoe)).toEqual([]);
    await zoe.touchscreen.tap(box.x + 0.25 * box.width, box.y + 0.75 * box.height);
    await canvas.focus();
    // To the corner, where a dot is painted, and a line down from it.
    for (const key of ['ArrowRight', 'ArrowUp']) for (let n = 0; n < 12; n++) await zoe.keyboard.press(key);
    await zoe.keyboard.press('Space');
    await zoe.keyboard.press('Shift+ArrowDown');
    await zoe.keyboard.press('+');
    await dialog.getByRole('button', { name: 'Use this part' }).press('Enter');
    const message = zoe.getByRole('textbox', { name: /^Message #/ });
    await expect.poll(() => message.inputValue()).toBe('/krona edit ');
    await message.pressSequentially('a hut by the sea');
    await message.press('Escape');
    await zoe.getByRole('button', { name: 'Send' }).click();
    const [upLeft, upRight, downLeft, downRight] = await maskOf('a hut by the sea');
    expect([upLeft, downRight]).toEqual([0, 0]);
    for (const share of [upRight!, downLeft!]) {
      expect(share).toBeGreaterThan(0.01);
      expect(share).toBeLessThan(0.2);
    }
    await zoe.context().close();
  }, 120_000);
});
