/**
 * Bot and worker on two machines: each has a data folder of its own, and only the database, the queue and the place of the
 * blobs are shared. The worker trains and draws, and the bot serves what it made.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../bot/main.ts';
import { linkExpiry } from '../../bot/files.ts';
import { FROM_BOT } from '../../bot/file-header.ts';
import { readConfig } from '../../core/config.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import type { Worker } from '../../gpu-worker/main.ts';
import { sweepRuns } from '../../gpu-worker/jobs/sweep-runs.ts';
import { signLink } from '../../storage/links.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { areBlobsElsewhere } from '../../storage/blobs/same-place.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import { sweepBlobs } from '../../storage/sweep.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { newRun } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { ALL_VARIATIONS } from '../helpers/variations.ts';
import { hasS3, type S3Server, startS3 } from '../storage/helpers/s3-server.ts';
import { hasRedis, type Server, startPostgres, startRedis } from '../storage/helpers/servers.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

// A test trains up to two runs, one after the other.
const S3 = 's3://krona/one';
const HOUR = 3600_000;

describe.each([
  ['a bucket', hasS3, { KRONA_BLOBS: S3, KRONA_BLOB_LINKS: 'presigned' }],
  ['PostgreSQL', true, { KRONA_BLOBS: 'postgres' }],
])('with blobs in %s', (_, possible, environment) => {
  /** What doesn't depend on the place is shown with one of them. */
  const once = it.runIf(possible && (environment.KRONA_BLOBS === S3 || !hasS3 || ALL_VARIATIONS));
  const servers: (Server | S3Server)[] = [];
  /** The bot's machine. */
  let shop: Workshop;
  let bot: Bot;
  /** The worker's. */
  let folder: string;
  let storage: Storage;
  let worker: Worker;
  let environmentOfBoth: Readonly<Record<string, string>>;
  const beginWorker = async (): Promise<void> => {
    folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
    const config = await readConfig({ KRONA_DATA: folder, KRONA_MODEL: TINY_MODEL, ...environmentOfBoth });
    storage = await openStorage(config);
    worker = await shop.startWorker({ storage, config });
  };
  beforeAll(async () => {
    if (!possible) return;
    const postgres = await startPostgres();
    const redis = hasRedis ? await startRedis() : null;
    servers.push(postgres, ...(redis === null ? [] : [redis]));
    const shared: Record<string, string> = {
      DATABASE_URL: postgres.url,
      ...(redis !== null && { REDIS_URL: redis.url }),
      ...environment,
    };
    if (environment.KRONA_BLOBS === S3) {
      const s3 = await startS3();
      servers.push(s3);
      await s3.addBucket('krona');
      shared['AWS_ENDPOINT_URL'] = s3.access.endpoint;
      shared['AWS_ACCESS_KEY_ID'] = s3.access.keys!.accessKeyId;
      shared['AWS_SECRET_ACCESS_KEY'] = s3.access.keys!.secretAccessKey;
    }
    shop = await openWorkshop(shared);
    bot = await startBot(shop.storage, shop.config, { log: shop.log });
    environmentOfBoth = shared;
    await beginWorker();
  });
  afterAll(async () => {
    await worker?.stop();
    await storage?.close();
    await bot?.stop();
    await shop?.close();
    for (const server of servers) await server.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const ended = <T extends Run | PictureSet>(now: () => Promise<T | null>): Promise<T> =>
    until(async () => {
      const record = await now();
      return record !== null && record.endedAt !== null && record;
    });
  const link = (hash: string, fileName: string): string =>
    bot.address + signLink(shop.config.secret, { hash, fileName, expiresAt: linkExpiry() });
  const fetched = (hash: string, name: string): Promise<Response> => fetch(link(hash, name));
  /** The width of a picture in a browser, under the page's own policy; 0 when it doesn't load. */
  const shownInChat = async (hash: string, name: string): Promise<number> => {
    const browser = await launchChromium();
    const page = await browser.newPage();
    await page.goto(bot.address);
    const width = await page.evaluate(
      (source) =>
        new Promise<number>((resolve) => {
          const image = new Image();
          image.onload = () => resolve(image.naturalWidth);
          image.onerror = () => resolve(0);
          image.src = source;
        }),
      link(hash, name),
    );
    await browser.close();
    return width;
  };

  /** Bytes that the page can read of it, as to begin with it. */
  const readInChat = async (hash: string, name: string): Promise<number> => {
    const browser = await launchChromium();
    const page = await browser.newPage();
    await page.goto(bot.address);
    const size = await page.evaluate(
      ([source, header]) =>
        fetch(source, { cache: 'reload', headers: { [header]: 'yes' } })
          .then((response) => response.blob())
          .then((blob) => blob.size),
      [link(hash, name), FROM_BOT] as const,
    );
    await browser.close();
    return size;
  };

  it.skipIf(!possible)('the worker trains and draws, and the bot serves the files', async () => {
    const { records } = shop.storage;
    const run = await shop.train();
    expect(await ended(() => records.run(run.id))).toMatchObject({ state: 'done', failure: null });
    const adapters = await shop.adaptersOf(run);
    const champion = adapters.at(-1)!;
    const set = await shop.imagine({ adapterId: champion.id });
    expect(await ended(() => records.set(set.id))).toMatchObject({ state: 'done', failure: null });
    const [picture] = await records.pictures(set.id);

    const shown = await fetched(picture!.blobHash, 'fox.png');
    expect([shown.status, shown.headers.get('content-type'), shown.redirected]).toEqual([
      200,
      'image/png',
      shop.config.blobLinks === 'presigned',
    ]);
    expect((await shown.arrayBuffer()).byteLength).toBe(picture!.size);
    const file = await fetched(champion.blobHash, 'mochi.safetensors');
    expect(file.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''mochi.safetensors");
    expect((await file.arrayBuffer()).byteLength).toBe(champion.size);
    expect(await shownInChat(picture!.blobHash, 'fox.png')).toBeGreaterThan(0);
    expect(await readInChat(picture!.blobHash, 'fox.png')).toBe(picture!.size);

    // Neither folder has anything that the other side needs.
    expect(await readdir(shop.config.dataFolder)).not.toContain('blobs');
    expect(await readdir(folder)).not.toContain('blobs');
    expect(await readdir(join(folder, 'adapters'))).toContain(`${champion.blobHash}.safetensors`);
  });

  once('another worker goes on with the run of one that is gone, with the same bytes', async () => {
    const { records } = shop.storage;
    const [plain, moved] = [await shop.train(), await shop.train()];
    expect(await ended(() => records.run(plain.id))).toMatchObject({ state: 'done', failure: null });
    await until(() => records.runState(moved.id), 'a checkpoint');
    await worker.stop();
    await storage.close();
    await rm(folder, { recursive: true });
    const before = shop.progressOf(moved).length;
    await beginWorker();
    expect(await ended(() => records.run(moved.id))).toMatchObject({ state: 'done', failure: null });
    const told = shop.progressOf(moved).slice(before);
    const steps = told.flatMap(({ phase, step }) => (phase === 'training' ? step : []));
    // The first checkpoint.
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(20);
    const bytes = async (run: Run) =>
      (await shop.adaptersOf(run)).map(({ step, blobHash }) => [step, blobHash]);
    expect(await bytes(moved)).toEqual(await bytes(plain));
  });

  once('what members delete goes from the place of the blobs and from the worker', async () => {
    const { records, blobs } = shop.storage;
    const run = await shop.train({ steps: 20 });
    await ended(() => records.run(run.id));
    const [adapter] = await shop.adaptersOf(run);
    const set = await shop.imagine({ adapterId: adapter!.id });
    expect(await ended(() => records.set(set.id))).toMatchObject({ state: 'done' });
    await records.deleteSubject(shop.subject.id, 'By Ada.');
    expect((await records.blobsInUse()).has(adapter!.blobHash)).toBe(false);
    await sweepRuns({ records: storage.records, dataFolder: folder, log: shop.log });
    expect(await readdir(join(folder, 'adapters'))).not.toContain(`${adapter!.blobHash}.safetensors`);
    // The bot takes messages with their pictures away in its own time.
    await until(async () => {
      await sweepBlobs(storage.records, storage.blobs, -HOUR);
      const used = await records.blobsInUse();
      for await (const hash of blobs.putBefore(new Date(Date.now() + HOUR)))
        if (!used.has(hash)) return false;
      return true;
    }, 'a bucket with nothing unused in it');
    expect(await blobs.stat(adapter!.blobHash)).toBeNull();
    const gone = await fetched(adapter!.blobHash, 'mochi.safetensors');
    expect(gone.status).toBe(404);
  });
});

it('a worker that was told another place for blobs says so when it starts', async () => {
  const shop = await openWorkshop();
  const folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  const { records, blobs } = shop.storage;
  const { hash } = await blobs.put(Buffer.from('a photo'));
  await records.addRun(newRun(shop.subject, { photoHashes: [hash] }));
  expect(await areBlobsElsewhere(records, blobs)).toBe(false);
  const storage = { ...shop.storage, blobs: await openBlobFolder(folder) };
  const worker = await shop.startWorker({ config: shop.config, storage });
  expect(shop.log.lines).toContainEqual(expect.stringContaining('set KRONA_BLOBS to the same place'));
  await worker.stop();
  await shop.close();
  await rm(folder, { recursive: true });
});
