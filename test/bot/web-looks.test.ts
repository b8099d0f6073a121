/** The web chat's pages beside the conversation, in a browser: the gallery of a channel. */
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GALLERY_PART } from '../../bot/web/protocol.ts';
import type { PictureSet } from '../../core/records.ts';
import { axeProblems } from '../helpers/axe.ts';
import { newSet } from '../helpers/new-records.ts';
import { openWorld, sprite, type World } from './world.ts';

let world: World;
let mia: Page;

beforeAll(async () => {
  world = await openWorld();
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
      .poll(() => mia.locator('.shelf img').first().evaluate((img) => (img as HTMLImageElement).naturalWidth))
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
