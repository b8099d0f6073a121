import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import { EARLIER_LINES, LINES_OF_PAGE } from '../../bot/web/protocol.ts';
import type { Run } from '../../core/records.ts';
import { axeProblems } from '../helpers/axe.ts';
import { skipTime } from '../helpers/clock.ts';
import { drop, openWorld, paste, PlayedWorker, say, sprite, type World } from './world.ts';

let world: World;
let worker: PlayedWorker;
let mia: Page;
let ben: Page;

beforeAll(async () => {
  world = await openWorld();
  worker = new PlayedWorker(world.storage);
  mia = await world.join('Mia');
  ben = await world.join('Ben');
});
afterAll(() => world.close());

/** The channel that a test has for itself. */
let room: string;
let rooms = 0;
beforeEach(async () => {
  room = await newRoom();
  for (const page of [mia, ben]) await enter(page, room);
});
afterEach(() => {
  expect(world.errors).toEqual([]);
});

async function newRoom(): Promise<string> {
  const name = `pets-${String(++rooms).padStart(2, '0')}`;
  await world.storage.records.channel('web', name, name);
  return name;
}

async function enter(page: Page, name: string): Promise<void> {
  await page.goto(`${world.address}/#${name}`);
  await page.reload();
  await page.getByLabel(`Message #${name}`).waitFor();
}

const box = (page: Page) => page.getByRole('textbox', { name: /^Message #/ });
/** Krona's message with a title, the newest. */
const card = (page: Page, title: string | RegExp) =>
  page
    .locator('article.card')
    .filter({ has: page.getByRole('heading', { name: title }) })
    .last();
const heart = (page: Page, title: string | RegExp, picture: number) =>
  card(page, title).getByRole('button', { name: new RegExp(`^Vote for picture ${picture};`) });
const colours = ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd'];
const cats = (size: number) =>
  Promise.all(
    colours.map(async (colour, n) => ({
      name: `mochi-${n + 1}.png`,
      bytes: await sprite('cat-face', colour, size, 10 * n),
    })),
  );
const foxes = () => Promise.all(colours.map((colour) => sprite('fox', colour)));
/** Ben asks for four foxes, and both see them. */
async function foxesShown(): Promise<void> {
  await say(ben, '/krona imagine a fox');
  await worker.draw(await worker.set(room), await foxes());
  for (const page of [mia, ben]) await expect.poll(() => decoded(page, 'a fox')).toBe(4);
}
/** Mia has a training of mochi in the queue. */
async function mochiQueued(): Promise<Run> {
  await drop(mia, await cats(300));
  await say(mia, '/krona train subject:mochi class:cat');
  return worker.run(room);
}
/** Pictures that the browser has really decoded. */
const decoded = (page: Page, title: string | RegExp) =>
  card(page, title)
    .locator('.tile img')
    .evaluateAll((list) => (list as HTMLImageElement[]).filter((each) => each.naturalWidth > 0).length);

describe('a newcomer', () => {
  it('is asked for a name once, and is a different member in another browser', async () => {
    await mia.reload();
    await box(mia).waitFor();
    await mia.getByRole('button', { name: 'Mia' }).waitFor();
    await ben.getByRole('button', { name: 'Ben' }).waitFor();
    await mia.getByText('2 here').waitFor();
    const stranger = await world.join(null);
    await stranger.getByLabel('What should people call you?').fill('krona');
    await stranger.getByRole('button', { name: 'Join' }).click();
    await stranger.getByText('is Krona’s own name').waitFor();
    await stranger.context().close();
  });

  it('finds an example that goes into the message box, ready to send', async () => {
    await mia.getByRole('button', { name: /imagine a fox on a blue background/ }).click();
    expect(await box(mia).inputValue()).toBe('/krona imagine a fox on a blue background');
    expect(await box(mia).evaluate((element) => element === document.activeElement)).toBe(true);
    await box(mia).fill('');
  });

  it('writes a command with only the keyboard', async () => {
    await box(mia).press('/');
    await mia.getByRole('option', { name: /krona train/ }).waitFor();
    await box(mia).pressSequentially('se');
    await mia.getByRole('option', { name: /settings show/ }).waitFor();
    await box(mia).press('ArrowDown');
    await box(mia).press('ArrowDown');
    await box(mia).press('Enter');
    expect(await box(mia).inputValue()).toBe('/krona settings draw ');
    await box(mia).pressSequentially('scheduler:dd');
    await box(mia).press('Tab');
    expect(await box(mia).inputValue()).toBe('/krona settings draw scheduler:ddim ');
    await box(mia).press('Escape');
    expect(await mia.getByRole('listbox').isVisible()).toBe(false);
    await box(mia).press('Enter');
    await mia.locator('article.card').filter({ hasText: 'ddim' }).waitFor();
  });
});

describe('a training', () => {
  it('starts with photos that were dropped, pasted and picked, minus a removed one', async () => {
    const [first, second, third, fourth] = await cats(300);
    await drop(mia, [first!, second!, { name: 'mistake.png', bytes: await sprite('dog-face', '#fff', 300) }]);
    await paste(mia, third!);
    await mia.setInputFiles('#photo-picker', {
      name: fourth!.name,
      mimeType: 'image/png',
      buffer: fourth!.bytes,
    });
    await mia.getByRole('button', { name: 'Remove mistake.png' }).click();
    expect(await mia.getByRole('list', { name: 'Photos to send' }).getByRole('img').count()).toBe(4);
    await say(mia, '/krona train subject:mochi class:cat');
    const run = await worker.run(room);
    expect(run.photoHashes).toHaveLength(4);
    await card(ben, 'Training of mochi is queued').waitFor();
    // The others see what was asked and the photos, without the files' own data.
    // They come on a line of their own, before the card or after it.
    await expect.poll(() => ben.locator('.said-photos img').count()).toBe(4);
    await ben.getByText('subject').first().waitFor();
    await card(ben, 'Training of mochi is queued').getByText('1st in the queue').waitFor();
  });

  it('shows in one message: percent, time left, curve, samples', async () => {
    const run = await mochiQueued();
    await worker.progress(run, 50, 30);
    await card(mia, 'Training mochi')
      .getByText(/10%.*30 s left/)
      .waitFor();
    expect(await card(mia, 'Training mochi').getByRole('progressbar').getAttribute('aria-valuenow')).toBe(
      '10',
    );
    const curve = card(mia, 'Training mochi').getByRole('img', { name: /^loss: / });
    const before = await curve.locator('.mean').getAttribute('d');
    await curve.hover();
    expect(await curve.locator('output').textContent()).toMatch(/^\d+ · 0\.\d+$/);
    await worker.picturesOfRun(
      run,
      'samples',
      await worker.adapter(run, 50, false),
      (await foxes()).slice(0, 2),
    );
    await worker.progress(run, 120, 15);
    await card(mia, 'Training mochi').getByText(/24%/).waitFor();
    await expect.poll(() => curve.locator('.mean').getAttribute('d')).not.toBe(before);
    await expect.poll(() => decoded(ben, 'Training mochi')).toBe(2);
  });

  it('ends with a result grid and an adapter whose download can resume', async () => {
    const run = await mochiQueued();
    await worker.picturesOfRun(run, 'finals', await worker.adapter(run, 200, true), await foxes());
    await worker.finish(run);
    await expect.poll(() => decoded(mia, 'Which mochi is the best')).toBe(4);
    const link = card(mia, 'mochi is trained').getByRole('link', { name: /safetensors/ });
    const waiting = mia.waitForEvent('download');
    await link.click();
    const download = await waiting;
    expect(download.suggestedFilename()).toMatch(/^mochi-200-.*\.safetensors$/);
    expect(await download.failure()).toBeNull();
    const part = await mia.request.get(world.address + (await link.getAttribute('href')), {
      headers: { range: 'bytes=10-19' },
    });
    expect([part.status(), (await part.body()).length]).toEqual([206, 10]);
    // One message all along, and the result.
    expect(await mia.locator('article.card').filter({ hasText: /mochi/ }).count()).toBe(2);
  });

  it('can be cancelled only by its requester', async () => {
    const photo = { name: 'rex.png', bytes: await sprite('dog-face', '#cde', 300) };
    await drop(ben, [photo, { name: 'notes.png', bytes: Buffer.from('no picture') }]);
    await say(ben, '/krona train subject:rex class:dog');
    const cancel = (page: Page) =>
      card(page, 'Training of rex is queued').getByRole('button', { name: 'Cancel' });
    await ben
      .getByText(/notes\.png/)
      .last()
      .waitFor();
    await ben.getByText('Only you can see this').waitFor();
    await ben.getByRole('button', { name: 'Dismiss' }).click();
    await cancel(mia).click();
    await mia.getByText(/Only the member who requested it or a moderator can/).waitFor();
    expect(await ben.getByText(/Only the member who requested it/).count()).toBe(0);
    await mia.getByRole('button', { name: 'Dismiss' }).last().click();
    await cancel(ben).click();
    await card(mia, 'Training of rex was cancelled').waitFor();
  });
});

describe('pictures', () => {
  const facts = async () => {
    const channel = await world.storage.records.channel('web', room, room);
    return (await world.storage.records.standingVotes(channel.id)).votes.length;
  };

  it('come as a set that both vote on and see at once', async () => {
    await foxesShown();
    const before = await facts();
    await heart(mia, 'a fox', 2).click();
    await heart(ben, 'a fox', 2).click();
    await expect.poll(() => heart(ben, 'a fox', 2).textContent()).toBe('2');
    await expect.poll(() => heart(mia, 'a fox', 2).getAttribute('data-tip')).toBe('You and Ben');
    expect(await heart(mia, 'a fox', 2).getAttribute('aria-pressed')).toBe('true');
    expect(await heart(mia, 'a fox', 1).getAttribute('aria-pressed')).toBe('false');
    await expect.poll(facts).toBe(before + 2);

    await heart(ben, 'a fox', 2).click();
    await expect.poll(() => heart(mia, 'a fox', 2).textContent()).toBe('1');
    await expect.poll(facts).toBe(before + 1);
  });

  it('keep quick clicks in order', async () => {
    await foxesShown();
    const before = await facts();
    for (let clicks = 0; clicks < 7; clicks++) await heart(mia, 'a fox', 4).click();
    await expect.poll(() => heart(ben, 'a fox', 4).textContent()).toBe('1');
    await expect.poll(facts).toBe(before + 1);
  });

  it('are hidden when they could be adult (NSFW), until a reader opens one', async () => {
    const title = 'a beach';
    await say(mia, `/krona imagine ${title} count:2`);
    await worker.draw(await worker.set(room), (await foxes()).slice(0, 2), [], [1]);
    const tiles = card(ben, title).locator('.tile');
    const blurred = (n: number) =>
      tiles
        .nth(n)
        .locator('img')
        .evaluate((img) => getComputedStyle(img).filter);
    await tiles.nth(1).getByText('May be an adult (NSFW) image').waitFor();
    expect(await blurred(0)).toBe('none');
    expect(await blurred(1)).toContain('blur');
    // Walking through them large shows it no sooner.
    const dialog = ben.getByRole('dialog');
    await tiles.nth(0).click();
    await dialog.getByRole('img', { name: /picture 1 of 2/ }).waitFor();
    await ben.keyboard.press('ArrowRight');
    await dialog.getByText('May be an adult (NSFW) image').waitFor();
    expect(await dialog.getByLabel('Download this picture').count()).toBe(0);
    await ben.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });

    await tiles.nth(1).click();
    await expect.poll(() => blurred(1)).toBe('none');
    expect(await dialog.count()).toBe(0);
    // What one reader asks to see stays hidden from the others.
    expect(await card(mia, title).locator('.tile').nth(1).locator('.veil').count()).toBe(1);
  });

  it('open large, with keyboard navigation', async () => {
    await foxesShown();
    await card(ben, 'a fox')
      .getByRole('button', { name: /^Enlarge: / })
      .first()
      .focus();
    await ben.keyboard.press('Enter');
    const dialog = ben.getByRole('dialog');
    await dialog.getByRole('img', { name: /picture 1 of 4/ }).waitFor();
    await ben.keyboard.press('ArrowRight');
    await dialog.getByRole('img', { name: /picture 2 of 4/ }).waitFor();
    await ben.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect(
      await card(ben, 'a fox')
        .getByRole('button', { name: /^Enlarge: / })
        .first()
        .evaluate((e) => e === document.activeElement),
    ).toBe(true);
  });
});

describe('the conversation', () => {
  it('shows a mistake only to its author, with the text back in the box', async () => {
    await say(ben, '/krona trian subject:rex');
    await ben
      .getByRole('alert')
      .getByText(/There is no command/)
      .waitFor();
    expect(await box(ben).inputValue()).toBe('/krona trian subject:rex');
    await box(ben).fill('/krona adapters delete adapter:nothing');
    await box(ben).press('Escape');
    await box(ben).press('Enter');
    await ben.getByText('Only you can see this').waitFor();
    expect(await mia.getByText('adapters delete').count()).toBe(0);
    await ben.getByRole('button', { name: 'Dismiss', exact: true }).click();
    await ben.getByText('Only you can see this').waitFor({ state: 'hidden' });
  });

  it('explains photos without a command, and too many photos', async () => {
    await drop(ben, await cats(64));
    await say(ben, 'my cat');
    await ben.getByText('Send photos with a command').waitFor();
    await mia.getByText('my cat').waitFor();
    const many = Array.from({ length: 12 }, (_, n) => ({ name: `${n}.png`, bytes: Buffer.from('x') }));
    await drop(ben, many);
    await ben.getByText(/A message takes up to 10 photos; 2 not added/).waitFor();
    for (let n = 0; n < 10; n++)
      await ben
        .getByRole('button', { name: /^Remove / })
        .first()
        .click();
  });

  it('has channels, marked when something happens there', async () => {
    await say(mia, 'my dog');
    await ben.getByText('my dog', { exact: true }).waitFor();
    await mia.getByRole('button', { name: 'Add a channel' }).click();
    await mia.getByLabel('Channel name').fill('Cat Pictures');
    await mia.keyboard.press('Enter');
    await mia.getByRole('heading', { name: /cat-pictures/ }).waitFor();
    await mia.getByText('Two ways to start').waitFor();
    await say(mia, 'only cats here');
    await ben.getByRole('link', { name: /cat-pictures new messages/ }).click();
    await ben.getByText('only cats here').waitFor();
    expect(await ben.getByText('my dog', { exact: true }).count()).toBe(0);
    await ben.getByRole('link', { name: new RegExp(room) }).click();
    await ben.getByText('my dog', { exact: true }).waitFor();
  });

  /** Everything that can be read, in order. */
  const all = (page: Page) =>
    page.getByRole('list', { name: 'Messages' }).locator('.of-said, .of-card').allInnerTexts();

  it('is the same after a reload', async () => {
    await foxesShown();
    await heart(mia, 'a fox', 2).click();
    await expect.poll(() => heart(ben, 'a fox', 2).textContent()).toBe('1');
    const before = await all(mia);
    await mia.reload();
    await card(mia, 'a fox').waitFor();
    await expect.poll(() => all(mia)).toEqual(before);
    expect(await heart(mia, 'a fox', 2).getAttribute('aria-pressed')).toBe('true');
  });

  it('continues after the bot was down, with the votes cast meanwhile, and nothing twice', async () => {
    await foxesShown();
    const lines = (await all(ben)).length;
    await world.stopBot();
    await mia.getByText('Connection lost').waitFor();
    await heart(mia, 'a fox', 3).click();
    expect(await heart(mia, 'a fox', 3).getAttribute('aria-pressed')).toBe('true');
    await world.startBot();
    await mia.getByText('Connection lost').waitFor({ state: 'hidden' });
    await expect.poll(() => heart(ben, 'a fox', 3).textContent()).toBe('1');
    await say(ben, 'back again');
    await mia.getByText('back again').waitFor();
    await expect.poll(async () => (await all(mia)).length).toBe(lines + 1);
    await expect.poll(async () => (await all(ben)).length).toBe(lines + 1);
    expect(await heart(mia, 'a fox', 3).getAttribute('aria-pressed')).toBe('true');
  });

  it('tells a member which command was interrupted when the bot stopped', async () => {
    await say(ben, 'here I am');
    await mia.getByText('here I am').waitFor();
    const channel = await world.storage.records.channel('web', room, room);
    const lines = await world.storage.records.lines(channel.id, 0, 100);
    const { memberId } = lines.find(({ body }) => JSON.stringify(body).includes('here I am'))!;
    const body = { kind: 'said', text: '/krona imagine cut short', photos: [], state: 'open' };
    await world.storage.records.addLine({ id: randomUUID(), channelId: channel.id, memberId, body });
    await ben.getByText('Krona stopped before it answered this.').waitFor();
    await ben.getByRole('button', { name: 'Try again' }).click();
    expect(await box(ben).inputValue()).toBe('/krona imagine cut short');
    await box(ben).fill('');
    expect(await mia.getByText('cut short').count()).toBe(0);
  });

  it('tells everybody, newcomers too, when nothing can be stored and when it works again', async () => {
    const lost = KronaError.reported({ code: 'DATABASE_READ_ONLY', message: 'The database is read-only.' });
    const check = vi.spyOn(world.storage.records, 'check').mockRejectedValue(lost);
    const banner = (page: Page) => page.getByRole('status').getByText("Krona can't store anything");
    await vi.waitFor(() => expect(check).toHaveBeenCalled(), 15_000);
    // An outage that lasts is told.
    skipTime(9_000);
    for (const page of [mia, ben]) await banner(page).waitFor();
    await ben.reload();
    await banner(ben).waitFor();
    check.mockRestore();
    for (const page of [mia, ben]) await banner(page).waitFor({ state: 'detached' });
    expect(world.errors.splice(0)).toHaveLength(2);
  });

  it('keeps its order when the clock of the bot is set back', async () => {
    for (const text of ['first', 'second']) await say(ben, text);
    await mia.getByText('second', { exact: true }).waitFor();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
    try {
      await say(mia, '/krona settings show');
      await mia.getByText('Only you can see this').waitFor();
      vi.setSystemTime(Date.now() + 1_000);
      await say(ben, 'third');
      await mia.getByText('third', { exact: true }).waitFor();
      const shown = await mia.getByRole('list', { name: 'Messages' }).locator('.line').allInnerTexts();
      const places = ['first', 'second', 'Only you can see this', 'third'].map((words) =>
        shown.findIndex((each) => each.includes(words)),
      );
      expect(places).not.toContain(-1);
      expect(places, shown.join('\n')).toEqual(places.toSorted((a, b) => a - b));
    } finally {
      vi.useRealTimers();
    }
  });

  it("keeps a message that couldn't be sent", async () => {
    await world.stopBot();
    await mia.getByText('Connection lost').waitFor();
    await box(mia).fill('unsent');
    expect(await mia.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);
    await box(mia).press('Enter');
    await mia
      .getByRole('alert')
      .getByText(/could not be reached/)
      .waitFor();
    expect(await box(mia).inputValue()).toBe('unsent');
    await world.startBot();
    await mia.getByText('Connection lost').waitFor({ state: 'hidden' });
    await box(mia).press('Enter');
    await ben.getByText('unsent', { exact: true }).waitFor();
    expect(await ben.getByText('unsent', { exact: true }).count()).toBe(1);
  });
});

describe('a long conversation', () => {
  it('can be read back to its first line, and keeps the reading position', async () => {
    const { records } = world.storage;
    // Nobody reads along while it grows.
    const long = await newRoom();
    const channel = await records.channel('web', long, long);
    const ann = await records.member('web', 'ann', 'Ann');
    const most = 2_500;
    for (let number = 1; number <= most; number++)
      await records.addLine({
        id: randomUUID(),
        channelId: channel.id,
        memberId: ann.id,
        body: { kind: 'said', text: `line ${number}.`, photos: [], state: 'settled' },
      });
    for (const page of [mia, ben]) await enter(page, long);
    await mia.getByText(`line ${most}.`, { exact: true }).waitFor();
    const button = mia.getByRole('button', { name: 'Show earlier messages' });
    const frame = mia.getByRole('region', { name: 'Conversation' });
    for (let first = most - LINES_OF_PAGE + 1; first > 1; first = Math.max(1, first - EARLIER_LINES)) {
      // The page has noticed that the reader left its end, where it would go again with whatever arrives.
      await expect
        .poll(async () => {
          const top = await frame.evaluate(async (element) => {
            element.scrollTo({ top: 0 });
            // The page hears of it with the next frame.
            for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
            return element.scrollTop;
          });
          return (await mia.getByRole('button', { name: 'Go to the newest message' }).isVisible())
            ? top
            : null;
        })
        .toBe(0);
      const read = mia.getByText(`line ${first}.`, { exact: true });
      const top = () => read.evaluate((element) => Math.round(element.getBoundingClientRect().top));
      const before = await top();
      await button.evaluate((element: HTMLElement) => element.click());
      const earliest = Math.max(1, first - EARLIER_LINES);
      await mia.getByText(`line ${earliest}.`, { exact: true }).waitFor({ state: 'attached' });
      await expect.poll(async () => Math.abs((await top()) - before)).toBeLessThan(4);
    }
    await mia.getByText('line 1.', { exact: true }).waitFor();
    await button.waitFor({ state: 'detached' });
    // What is new meanwhile moves nothing.
    const top = () => frame.evaluate((element) => element.scrollTop);
    const before = await top();
    await say(ben, 'news');
    await mia.getByText('news', { exact: true }).waitFor({ state: 'attached' });
    expect(await top()).toBe(before);
  });

  it('keeps drafts in their channel', async () => {
    const other = await newRoom();
    await enter(mia, room);
    await box(mia).fill('half a thought');
    await mia.getByRole('link', { name: new RegExp(other) }).click();
    await mia.getByLabel(`Message #${other}`).waitFor();
    expect(await box(mia).inputValue()).toBe('');
    await box(mia).fill('another');
    await mia.getByRole('link', { name: new RegExp(room) }).click();
    await mia.getByLabel(`Message #${room}`).waitFor();
    expect(await box(mia).inputValue()).toBe('half a thought');
    await box(mia).fill('');
  });

  it('refuses text that is too long instead of cutting it', async () => {
    await enter(mia, room);
    await box(mia).fill('before ');
    await box(mia).evaluate((area) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', 'x'.repeat(48_000));
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    });
    await mia
      .getByRole('alert')
      .getByText(/8000 characters; this text has 48007/)
      .waitFor();
    expect(await box(mia).inputValue()).toBe('before ');
    await box(mia).fill('y'.repeat(8_001));
    await box(mia).press('Enter');
    await mia
      .getByRole('alert')
      .getByText(/this text has 8001/)
      .waitFor();
    expect((await box(mia).inputValue()).length).toBe(8_001);
    await box(mia).fill('');
  });

  it.each(['%E0%A4%A', '%', 'no-such-channel'])('an address with #%s shows a channel', async (hash) => {
    await mia.goto(`${world.address}/#${hash}`);
    await mia.reload();
    await box(mia).waitFor();
    await mia.getByLabel('Message #general').waitFor();
  });
});

describe('for everybody', () => {
  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('axe finds nothing serious: %s, %i pixels', async (colorScheme, width) => {
    const page = await world.join(null, { colorScheme, viewport: { width, height: 844 } });
    await page.getByRole('button', { name: 'Join' }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.getByLabel('What should people call you?').fill(`Axe ${colorScheme} ${width}`);
    await page.getByRole('button', { name: 'Join' }).click();
    await page.getByLabel(/^Message #/).waitFor();
    await enter(page, room);
    await page.getByText('Two ways to start').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await foxesShown();
    await mochiQueued();
    await say(mia, 'hello');
    await page.getByText('hello', { exact: true }).waitFor();
    await say(page, '/krona settings show');
    await page.getByText('Only you can see this').waitFor();
    await box(page).fill('/krona tr');
    await page.getByRole('option').first().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.context().close();
  });
});

describe('on a phone', () => {
  it('fits 375 pixels, with channels behind a button', async () => {
    const phone = await world.join('Zoë', {
      viewport: { width: 375, height: 760 },
      isMobile: true,
      hasTouch: true,
    });
    const other = await newRoom();
    await enter(mia, other);
    await say(mia, 'only dogs here');
    await enter(mia, room);
    await foxesShown();
    await enter(phone, room);
    await card(phone, 'a fox').waitFor();
    const wide = await phone.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(wide[0]).toBeLessThanOrEqual(wide[1]!);
    const beyond = await phone
      .locator('article.card')
      .evaluateAll((cards) => cards.filter((each) => each.getBoundingClientRect().right > innerWidth).length);
    expect(beyond).toBe(0);
    expect(await phone.getByRole('link', { name: new RegExp(other) }).isVisible()).toBe(false);
    await phone.getByRole('button', { name: 'Channels' }).tap();
    await phone.getByRole('link', { name: new RegExp(other) }).tap();
    await phone.getByText('only dogs here').waitFor();
    await phone.context().close();
  });

  it('is light or dark as the system is, until the member chooses', async () => {
    const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await world.join('Dora', { colorScheme: 'dark' });
    expect(await background(dark)).not.toBe(await background(mia));
    await dark.getByRole('button', { name: 'Light theme' }).click();
    expect(await background(dark)).toBe(await background(mia));
    await dark.reload();
    await box(dark).waitFor();
    expect(await background(dark)).toBe(await background(mia));
    await dark.context().close();
  });
});
