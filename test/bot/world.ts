/**
 * @file The real bot on a PostgreSQL server, browsers in front of it, and somebody who plays the worker: he
 * writes what a worker writes, through the record store, and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import type { Log } from '../../core/log.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import type { Config } from '../../core/config.ts';
import type { Storage } from '../../storage/open.ts';
import type { Picture, PictureSet, Platform, Resumed, Run } from '../../core/records.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { newSet } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';

const icons = createRequire(import.meta.url)('@iconify-json/twemoji/icons.json') as {
  readonly width: number;
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
};

/** A sprite on a colour, PNG: what the embedded model draws, and what members may send as photos. */
export async function sprite(name: string, background: string, size = 128, turn = 0): Promise<Buffer> {
  const { body } = icons.icons[name]!;
  // The drawing takes 78% of the width, so that its corners have room to turn.
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-5 -5 46 46" width="${size}" height="${size}"><g transform="rotate(${turn} 18 18)">${body}</g></svg>`;
  return sharp({ create: { width: size, height: size, channels: 3, background } })
    .composite([{ input: await sharp(Buffer.from(svg)).png().toBuffer() }])
    .png()
    .toBuffer();
}

export interface World {
  readonly config: Config;
  readonly storage: Storage;
  readonly browser: Browser;
  readonly address: string;
  /** What the bot logged as errors; a test that expects none says so. */
  readonly errors: string[];
  /** A page of a browser of its own: another member. Named at the door, unless name is null. */
  join(name: string | null, options?: Parameters<Browser['newContext']>[0]): Promise<Page>;
  stopBot(): Promise<void>;
  startBot(): Promise<void>;
  close(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  const house = await openServerHouse();
  const { storage, config: base } = house;
  const errors: string[] = [];
  const log: Log = {
    info: () => {},
    warn: (fields, message) => errors.push(`${message}: ${describe(fields)}`),
    error: (fields, message) => errors.push(`${message}: ${describe(fields)}`),
  };
  const browser = await launchChromium();
  let bot: Bot | null = await startBot(storage, base, { log });
  const address = bot.address;
  // A restart must come back where the pages look for it.
  const config = { ...base, port: Number(new URL(address).port) };
  return {
    config,
    storage,
    browser,
    address,
    errors,
    async join(name, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
      const page = await context.newPage();
      await page.goto(address);
      if (name !== null) await enter(page, name);
      return page;
    },
    async stopBot() {
      await bot?.stop();
      bot = null;
    },
    async startBot() {
      bot = await startBot(storage, config, { log });
    },
    async close() {
      await browser.close();
      await bot?.stop();
      await house.close();
    },
  };
}

const describe = (fields: object): string => {
  const error = (fields as { error?: unknown }).error;
  return error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(fields);
};

const messageBox = (page: Page) => page.getByRole('textbox', { name: /^Message #/ });

/** Gives a name at the door and waits for the conversation. */
export async function enter(page: Page, name: string): Promise<void> {
  await page.getByLabel('What should people call you?').fill(name);
  await page.getByRole('button', { name: 'Join' }).click();
  await messageBox(page).waitFor();
}

/** Types a message and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  const box = messageBox(page);
  await box.fill(text);
  await box.press('Escape');
  await box.press('Enter');
}

interface TestFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Files as a browser hands them over, in the page. */
const transferOf = (page: Page, files: readonly TestFile[]) =>
  page.evaluateHandle(
    (list) => {
      const data = new DataTransfer();
      for (const { name, base64 } of list)
        data.items.add(
          new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: 'image/png' }),
        );
      return data;
    },
    files.map(({ name, bytes }) => ({ name, base64: bytes.toString('base64') })),
  );

/** Drops files onto the page, as from the desktop. */
export async function drop(page: Page, files: readonly TestFile[]): Promise<void> {
  const dataTransfer = await transferOf(page, files);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer });
}

/** Pastes a picture into the message box, as after a screenshot. */
export async function paste(page: Page, file: TestFile): Promise<void> {
  const data = await transferOf(page, [file]);
  await page.evaluate((clipboardData) => {
    document
      .querySelector('textarea')!
      .dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
  }, data);
}

/** The worker's side of a run and of sets: what it writes while it works. */
export class PlayedWorker {
  readonly #storage: Storage;
  readonly #platform: Platform;

  constructor(storage: Storage, platform: Platform = 'web') {
    this.#storage = storage;
    this.#platform = platform;
  }

  /** The oldest open run of a channel, by the platform's id of it, once there is one. */
  run(channelName = 'general'): Promise<Run> {
    return until(async () => (await this.#open(channelName)).runs[0], 'a run in the queue');
  }

  /** The oldest open set of a channel, once there is one. */
  set(channelName = 'general'): Promise<PictureSet> {
    return until(async () => (await this.#open(channelName)).sets[0], 'a set in the queue');
  }

  async #open(channelName: string): Promise<{ runs: Run[]; sets: PictureSet[] }> {
    const { records } = this.#storage;
    return records.openWork((await records.channel(this.#platform, channelName, channelName)).id);
  }

  /** @param resumed - it goes on after another worker stopped */
  async progress(
    run: Run,
    step: number,
    secondsLeft: number,
    { phase = 'training', resumed }: { readonly phase?: string; readonly resumed?: Resumed } = {},
  ): Promise<void> {
    const losses = Array.from({ length: Math.floor(step / 5) }, (_, n) => ({
      step: (n + 1) * 5,
      loss: 0.04 + 0.22 * Math.exp(-n / 7) + 0.02 * Math.sin(n * 2.7) * Math.exp(-n / 30),
    }));
    await this.#storage.records.updateRun(run.id, {
      state: 'running',
      ...(step < run.settings.steps && {
        startedAt: new Date(Date.now() - (1000 * secondsLeft * step) / (run.settings.steps - step)),
      }),
      progress: { step, steps: run.settings.steps, secondsLeft, phase, ...(resumed && { resumed }) },
      losses,
    });
  }

  async adapter(run: Run, step: number, final: boolean): Promise<string> {
    const { records, blobs } = this.#storage;
    const bytes = Buffer.from(`adapter of ${run.id} after ${step}\n`.repeat(2000));
    const { hash, size } = await blobs.put(bytes);
    const id = randomUUID();
    await records.addAdapter({
      id,
      runId: run.id,
      subjectId: run.subjectId,
      channelId: run.channelId,
      step,
      final,
      blobHash: hash,
      size,
      settings: run.settings,
    });
    return id;
  }

  /** Pictures of a run: samples at a checkpoint, or its result, which has a message of its own. */
  async picturesOfRun(
    run: Run,
    kind: 'samples' | 'finals',
    adapterId: string,
    pictures: readonly Buffer[],
    drawnBy: readonly string[] = [],
  ) {
    const { channelId, memberId, subjectId, settings, seed } = run;
    const of = { channelId, memberId, subjectId, settings, seed };
    const set = await this.#storage.records.addSet(
      newSet({
        ...of,
        kind,
        runId: run.id,
        prompt: 'a picture of it',
        count: pictures.length,
        adapterId,
        state: 'running',
      }),
    );
    await this.draw(set, pictures, drawnBy);
    if (kind === 'finals')
      await this.#storage.records.addPost({ id: randomUUID(), channelId, kind: 'set', targetId: set.id });
    return set;
  }

  /** A set that is being drawn. @param place - of the picture that the preview shows */
  async look(set: PictureSet, place: number, preview: Buffer): Promise<void> {
    const { records } = this.#storage;
    if ((await records.set(set.id))?.state === 'queued')
      await records.updateSet(set.id, { state: 'running' });
    await records.savePreview(set.id, {
      place,
      image: await sharp(preview).resize(8).webp().toBuffer(),
    });
    const progress = { step: 10 * place + 5, steps: 10 * set.count, secondsLeft: 9, phase: 'drawing' };
    await records.updateSet(set.id, { progress });
  }

  /**
   * @param drawnBy - the adapter of each picture, where they differ from the set's
   * @param sensitive - indices of pictures that the safety check hides
   */
  async draw(
    set: PictureSet,
    pictures: readonly Buffer[],
    drawnBy: readonly string[] = [],
    sensitive: readonly number[] = [],
  ): Promise<Picture[]> {
    const { records, blobs } = this.#storage;
    const drawn: Picture[] = [];
    for (const [index, bytes] of pictures.entries()) {
      const { hash: blobHash, size } = await blobs.put(bytes);
      const picture: Picture = {
        id: randomUUID(),
        setId: set.id,
        index,
        blobHash,
        size,
        width: 128,
        height: 128,
        seed: set.seed + index,
        prompt: null,
        adapterId: drawnBy[index] ?? set.adapterId,
        unsafe: sensitive.includes(index) ? 0.9 : null,
        sensitive: sensitive.includes(index),
      };
      await records.addPicture(picture);
      drawn.push(picture);
    }
    await records.updateSet(set.id, { state: 'done', progress: null, endedAt: new Date() });
    return drawn;
  }

  /** A sweep that is done: scores, two finalists, and the sheet. @returns the finalists' adapters */
  async sweep(run: Run, sheet: Buffer): Promise<string[]> {
    const { records, blobs } = this.#storage;
    const cells = run.sweep!.cells.map((cell, n) => {
      const score = 0.5 + 0.02 * n;
      return { ...cell, score: { step: n < 2 ? 100 : 200, fidelity: score, alignment: score, score } };
    });
    const finalists: string[] = [];
    for (const { a1, a2, lr } of cells.slice(-2)) {
      const { hash, size } = await blobs.put(Buffer.from(`adapter of ${run.id}: ${a1} ${a2} ${lr}`));
      const id = randomUUID();
      const { id: runId, subjectId, channelId } = run;
      const of = { runId, subjectId, channelId, blobHash: hash, size };
      await records.addAdapter({
        id,
        ...of,
        step: 200,
        final: true,
        settings: { ...run.settings, a1, a2, lr },
      });
      finalists.unshift(id);
    }
    await records.updateRun(run.id, { sweep: { ...run.sweep!, cells, finalists } });
    await this.picturesOfRun(run, 'samples', finalists[0]!, [sheet]);
    await records.updateRun(run.id, { startedAt: new Date(Date.now() - 400_000) });
    await this.finish(run);
    return finalists;
  }

  async finish(run: Run): Promise<void> {
    await this.#storage.records.updateRun(run.id, { state: 'done', progress: null, endedAt: new Date() });
  }
}
