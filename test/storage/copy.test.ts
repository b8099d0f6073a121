/** Blobs move between folders, buckets and PostgreSQL, whole or not at all, and in several goes. */
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { copyBlobs, type CopyOptions } from '../../storage/blobs/copy.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { krona } from '../cli/run-krona.ts';
import { openHouse } from '../helpers/house.ts';
import { hasS3, type S3Server, startS3 } from './helpers/s3-server.ts';

const COUNT = 20;

let folder: string;
let source: BlobStore;
let hashes: string[];
let server: S3Server | null = null;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  source = await openBlobFolder(join(folder, 'source'));
  hashes = [];
  for (let n = 0; n < COUNT; n++) hashes.push((await source.put(randomBytes(n * 1000))).hash);
  hashes.push((await source.put(randomBytes(12_000_000))).hash);
  hashes.sort();
  if (hasS3) server = await startS3();
  await server?.addBucket('krona');
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true });
});

const options = (changes: Partial<CopyOptions> = {}): CopyOptions => ({
  check: false,
  signal: new AbortController().signal,
  onProgress: () => {},
  ...changes,
});
const namesIn = async (store: BlobStore): Promise<string[]> => {
  const names: string[] = [];
  for await (const name of store.putBefore(new Date(8.64e15))) names.push(name);
  return names.sort();
};
const setUp = (environment: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
};

it('goes on where it was stopped, and tells how far it is', async () => {
  const target = await openBlobFolder(join(folder, 'resumed'));
  const stopping = new AbortController();
  const told: number[] = [];
  const stopped = copyBlobs(source, target, {
    ...options({ signal: stopping.signal }),
    onProgress(done, all) {
      expect(all).toBe(COUNT + 1);
      if (told.push(done) === 5) stopping.abort(new KronaError('CANCELLED', 'Cancelled.'));
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(told).toEqual(told.map((_, n) => n + 1));
  await vi.waitFor(async () => expect(await readdir(join(folder, 'resumed/drafts'))).toEqual([]));
  const before = (await namesIn(target)).length;
  expect(before).toBeLessThan(COUNT);
  const result = await copyBlobs(source, target, options());
  expect(result).toMatchObject({ copied: COUNT + 1 - before, kept: before, damaged: [] });
  expect(await namesIn(target)).toEqual(hashes);
});

it('ends at the first blob that can’t be read, with all copies that were under way', async () => {
  const target = await openBlobFolder(join(folder, 'ended'));
  const read: string[] = [];
  const failing: BlobStore = {
    putBefore: (time) => source.putBefore(time),
    stat: (hash) => source.stat(hash),
    stream: async (hash) => {
      if (read.push(hash) === 3) throw new KronaError('BLOBS_DENIED', 'not for you');
      return source.stream(hash);
    },
    put: (bytes) => source.put(bytes),
    get: (hash) => source.get(hash),
    delete: (hash) => source.delete(hash),
    deleteOlder: (hash, time) => source.deleteOlder(hash, time),
    localPath: (hash) => source.localPath(hash),
    publicLink: (hash, about) => source.publicLink(hash, about),
    close: () => source.close(),
  };
  await expect(copyBlobs(failing, target, options())).rejects.toMatchObject({ code: 'BLOBS_DENIED' });
  expect(await readdir(join(folder, 'ended/drafts'))).toEqual([]);
  expect(read.length).toBeLessThan(10);
});

it('names damaged blobs and copies none of them; with a check, it repairs the target', async () => {
  await cp(join(folder, 'source'), join(folder, 'damaged'), { recursive: true });
  const damaged = await openBlobFolder(join(folder, 'damaged'));
  const big = hashes.find((hash) => hash !== hashes[0])!;
  await writeFile((await damaged.localPath(big))!, 'other bytes');
  const target = await openBlobFolder(join(folder, 'repaired'));
  expect(await copyBlobs(damaged, target, options())).toMatchObject({ copied: COUNT, damaged: [big] });
  expect(await target.stat(big)).toBeNull();

  // The same size with other bytes shows only in the hash.
  await copyBlobs(source, target, options());
  const path = (await target.localPath(big))!;
  const { size } = (await target.stat(big))!;
  await writeFile(path, randomBytes(size));
  expect(await copyBlobs(source, target, options())).toMatchObject({ copied: 0 });
  expect(await copyBlobs(source, target, options({ check: true }))).toMatchObject({ copied: 1, kept: COUNT });
  // It is the copy that is whole, not the source.
  expect(await copyBlobs(damaged, target, options())).toMatchObject({ kept: COUNT + 1, damaged: [] });
  expect(await target.stat(big)).not.toBeNull();
  // A shorter file shows at once.
  await truncate(path, size - 1);
  expect(await copyBlobs(source, target, options())).toMatchObject({ copied: 1, kept: COUNT });
});

it.skipIf(!hasS3)('`krona blobs copy` moves a folder to a bucket, and back', async () => {
  const { endpoint, keys } = server!.access;
  setUp({
    KRONA_DATA: join(folder, 'data'),
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: keys!.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys!.secretAccessKey,
  });
  const there = await krona('blobs', 'copy', join(folder, 'source'), 's3://krona/moved', '--check', '--json');
  expect(JSON.parse(there.stdout)).toMatchObject({ copied: COUNT + 1, kept: 0, damaged: [] });
  expect(there.stderr).toContain(`copying ${COUNT + 1}/${COUNT + 1}`);
  const back = await krona('blobs', 'copy', 's3://krona/moved', join(folder, 'back'));
  expect(back).toMatchObject({ code: 0 });
  expect(back.stdout).toMatch(/^Copied 21 files \(.* MiB\) to .*; 0 were there already\.\n$/);
  const target = await openBlobFolder(join(folder, 'back'));
  expect(await namesIn(target)).toEqual(hashes);
  expect(await copyBlobs(source, target, options({ check: true }))).toMatchObject({ copied: 0, damaged: [] });
});

it('`krona blobs copy` moves a folder into the embedded database, and says what is wrong with its arguments', async () => {
  const house = await openHouse();
  setUp({ KRONA_DATA: house.config.dataFolder });
  const photo = await (await openBlobFolder(join(folder, 'one'))).put(Buffer.from('a photo'));
  const copied = await krona('blobs', 'copy', join(folder, 'one'), 'postgres', '--json');
  expect(JSON.parse(copied.stdout)).toMatchObject({ copied: 1, bytes: photo.size });
  await house.close();
  const code = async (from: string, to: string) =>
    (JSON.parse((await krona('blobs', 'copy', from, to, '--json')).stdout) as { error: { code: string } })
      .error.code;
  expect(await code('postgres', 'postgres')).toBe('BLOBS_SAME_PLACE');
  expect(await code(join(folder, 'nowhere'), 'postgres')).toBe('BLOBS_FOLDER_MISSING');
  expect(await code('ftp://host/x', 'postgres')).toBe('KRONA_BLOBS_INVALID');
  expect(await code('s3://Bad_Bucket!/x', 'postgres')).toBe('KRONA_BLOBS_INVALID');
});
