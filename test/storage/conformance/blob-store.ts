/** @file What every BlobStore does. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../helpers/until.ts';
import type { BlobStore } from '../../../storage/blobs/contract.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @param tick - how far the store's clock goes at once, ms; files' go some milliseconds */
export function runBlobStoreTests(open: () => Promise<BlobStore>, { tick = 20 } = {}): void {
  let blobs: BlobStore;
  beforeAll(async () => {
    blobs = await open();
  });
  afterAll(() => blobs?.close());

  it('gives bytes back by their SHA-256', async () => {
    const bytes = randomBytes(100_000);
    const info = await blobs.put(bytes);
    expect(info).toEqual({ hash: sha256(bytes), size: 100_000 });
    expect(await blobs.stat(info.hash)).toEqual(info);
    expect(Buffer.from(await blobs.get(info.hash)).equals(bytes)).toBe(true);
    expect(await buffer(await blobs.stream(info.hash))).toEqual(bytes);
  });

  it('keeps empty and one-byte contents like any other', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('x')]) {
      const { hash, size } = await blobs.put(bytes);
      expect(size).toBe(bytes.length);
      expect(await buffer(await blobs.stream(hash))).toEqual(bytes);
    }
  });

  it('stores the same bytes once when several streams bring them at the same time', async () => {
    const bytes = randomBytes(300_000);
    const pieces = Array.from({ length: 30 }, (_, i) => bytes.subarray(i * 10_000, (i + 1) * 10_000));
    const infos = await Promise.all([blobs.put(Readable.from(pieces)), blobs.put(bytes), blobs.put(bytes)]);
    expect(new Set(infos.map(({ hash }) => hash))).toEqual(new Set([sha256(bytes)]));
    expect(Buffer.from(await blobs.get(sha256(bytes))).equals(bytes)).toBe(true);
  });

  it('lists blobs from before a time, and removes them unless they were stored again', async () => {
    const listed = async (time: Date) => {
      const hashes = new Set<string>();
      for await (const hash of blobs.putBefore(time)) hashes.add(hash);
      return hashes;
    };
    const bytes = [randomBytes(100), randomBytes(100)] as const;
    const [kept, left] = [await blobs.put(bytes[0]), await blobs.put(bytes[1])];
    expect((await listed(new Date(Date.now() - 60_000))).has(kept.hash)).toBe(false);
    const time = new Date(Date.now() + tick);
    await until(() => Date.now() > time.getTime() + tick, 'that time to be over');
    const before = await listed(time);
    expect([before.has(kept.hash), before.has(left.hash)]).toEqual([true, true]);
    await blobs.put(bytes[0]);
    const old = await listed(time);
    expect([old.has(kept.hash), old.has(left.hash)]).toEqual([false, true]);
    expect(await blobs.deleteOlder(kept.hash, time)).toBe(false);
    expect(Buffer.from(await blobs.get(kept.hash)).equals(bytes[0])).toBe(true);
    expect(await blobs.deleteOlder(left.hash, time)).toBe(true);
    expect(await blobs.stat(left.hash)).toBeNull();
    expect(await blobs.deleteOlder(left.hash, time)).toBe(false);
  });

  it('takes large contents as a stream, again too, and gives every part of them back', async () => {
    const bytes = randomBytes(20_000_003);
    const pieces = () =>
      Readable.from([bytes.subarray(0, 100), bytes.subarray(100, 9e6), bytes.subarray(9e6)]);
    const info = { hash: sha256(bytes), size: bytes.length };
    expect(await blobs.put(pieces())).toEqual(info);
    expect(await blobs.put(pieces())).toEqual(info);
    expect(await blobs.stat(info.hash)).toEqual(info);
    expect((await buffer(await blobs.stream(info.hash))).equals(bytes)).toBe(true);
    const [start, end] = [1_000_000, 10_000_001];
    const range = await buffer(await blobs.stream(info.hash, { start, end }));
    expect(range.equals(bytes.subarray(start, end + 1))).toBe(true);
  });

  it('lets a reader leave in the middle', async () => {
    const { hash } = await blobs.put(randomBytes(12_000_000));
    const stream = await blobs.stream(hash);
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    expect(stream.destroyed).toBe(true);
  });

  it('keeps nothing of a broken stream', async () => {
    const start = randomBytes(50_000);
    const breaking = Readable.from(
      (async function* () {
        yield start;
        await Promise.resolve();
        throw new Error('the connection was reset');
      })(),
    );
    await expect(blobs.put(breaking)).rejects.toThrow('the connection was reset');
    expect(await blobs.stat(sha256(start))).toBeNull();
  });

  it('streams a range with inclusive ends, so that downloads can resume', async () => {
    const { hash } = await blobs.put(Buffer.from('0123456789'));
    const range = async (start: number, end: number) =>
      (await buffer(await blobs.stream(hash, { start, end }))).toString();
    expect(await range(0, 0)).toBe('0');
    expect(await range(4, 9)).toBe('456789');
  });

  it('reports a missing blob and an invalid name', async () => {
    const hash = sha256(Buffer.from('never stored'));
    expect(await blobs.stat(hash)).toBeNull();
    expect(await blobs.localPath(hash)).toBeNull();
    await expect(blobs.get(hash)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
    await expect(blobs.stream(hash)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
    for (const name of ['', '../../etc/passwd', hash.toUpperCase(), `${hash}/x`]) {
      await expect(blobs.get(name)).rejects.toMatchObject({ code: 'BLOB_NAME_INVALID' });
      await expect(blobs.delete(name)).rejects.toMatchObject({ code: 'BLOB_NAME_INVALID' });
    }
  });

  it('deletes a blob, and can store it again', async () => {
    const bytes = randomBytes(1000);
    const { hash } = await blobs.put(bytes);
    await blobs.delete(hash);
    await blobs.delete(hash);
    expect(await blobs.stat(hash)).toBeNull();
    expect(await blobs.put(bytes)).toEqual({ hash, size: 1000 });
  });

  it('gives the path of a file with the bytes, if it keeps files', async () => {
    const bytes = randomBytes(1000);
    const path = await blobs.localPath((await blobs.put(bytes)).hash);
    if (path !== null) expect(await readFile(path)).toEqual(bytes);
  });
}
