/** Blobs that nothing names any more are removed, and no others, also while members send files. */
import { EventEmitter, on } from 'node:events';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { sweepBlobs, sweepDaily } from '../../storage/sweep.ts';

vi.mock('node:timers/promises', () => import('../helpers/timers-promises.ts'));

let folder: string;
let blobs: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  blobs = await openBlobFolder(folder);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const put = async (text: string, daysOld: number): Promise<string> => {
  const { hash } = await blobs.put(Buffer.from(text));
  const time = new Date(Date.now() - daysOld * 24 * 3600_000);
  await utimes((await blobs.localPath(hash))!, time, time);
  return hash;
};
const there = async (hash: string) => (await blobs.stat(hash)) !== null;

it('removes old unused blobs, and keeps used or recent ones', async () => {
  const [named, unnamed, young] = [await put('named', 9), await put('unnamed', 9), await put('young', 0.5)];
  const removed = await sweepBlobs({ blobsInUse: async () => new Set([named]) }, blobs);
  expect(removed).toBe(1);
  expect([await there(named), await there(unnamed), await there(young)]).toEqual([true, false, true]);
});

it('deletes nothing where the clock is a day ahead of the one of the files, and says so', async () => {
  const [old, young] = [await put('of last week', 9), await put('whose record is not written yet', 0)];
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 25 * 3600_000);
  const sweep = sweepBlobs({ blobsInUse: async () => new Set<string>() }, blobs);
  await expect(sweep).rejects.toMatchObject({ code: 'CLOCK_AHEAD' });
  vi.restoreAllMocks();
  expect([await there(old), await there(young)]).toEqual([true, true]);
  expect(await sweepBlobs({ blobsInUse: async () => new Set<string>() }, blobs)).toBeGreaterThan(0);
  expect([await there(old), await there(young)]).toEqual([false, true]);
});

it('deletes nothing where two workers whose clocks are ahead sweep at once', async () => {
  const young = await put('whose record two workers await', 0);
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 25 * 3600_000);
  const records = { blobsInUse: async () => new Set<string>() };
  // The other one compares clocks while this one does, from beginning to end.
  const meanwhile: Parameters<typeof sweepBlobs>[1] = {
    put: (bytes) => blobs.put(bytes),
    delete: (hash) => blobs.delete(hash),
    deleteOlder: (hash, time) => blobs.deleteOlder(hash, time),
    async *putBefore(time) {
      await expect(sweepBlobs(records, blobs)).rejects.toMatchObject({ code: 'CLOCK_AHEAD' });
      yield* blobs.putBefore(time);
    },
  };
  await expect(sweepBlobs(records, meanwhile)).rejects.toMatchObject({ code: 'CLOCK_AHEAD' });
  vi.restoreAllMocks();
  expect(await there(young)).toBe(true);
});

it('keeps a file that somebody sends again during the sweep', async () => {
  const again = await put('the same cat', 9);
  const records = {
    // The photo comes after the list was made, and its record is written after the records were read.
    blobsInUse: async () => {
      await blobs.put(Buffer.from('the same cat'));
      return new Set<string>();
    },
  };
  await sweepBlobs(records, blobs);
  expect(await there(again)).toBe(true);
});

describe('every day', () => {
  const DAY = 24 * 3600_000;
  /** Sweeps while a test plays the clock; tells what each sweep has brought. */
  function sweeping(blobsInUse: () => Promise<Set<string>>) {
    // Only what it sleeps on: the files of the folder have a clock of their own.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const told: (number | string)[] = [];
    const news = new EventEmitter();
    const sweeps = on(news, 'swept');
    const tell = (what: number | string) => {
      told.push(what);
      news.emit('swept');
    };
    const looks = vi.fn((before: Date) => blobs.putBefore(before));
    const watched = {
      put: blobs.put.bind(blobs),
      delete: blobs.delete.bind(blobs),
      putBefore: looks,
      deleteOlder: blobs.deleteOlder.bind(blobs),
    };
    const stop = sweepDaily({ blobsInUse }, watched, {
      onSwept: tell,
      onError: (error) => tell(String(error)),
    });
    /** What the next sweep has brought. */
    const next = async () => {
      await sweeps.next();
      return told.at(-1);
    };
    return { stop, next, told, looks };
  }

  it('sweeps at once, and again after a day', async () => {
    const first = await put('of the first day', 9);
    const { stop, next, looks } = sweeping(async () => new Set());
    expect(await next()).toBe(1);
    expect(await there(first)).toBe(false);
    const second = await put('of the second day', 9);
    await vi.advanceTimersByTimeAsync(DAY - 1);
    expect(looks).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await next()).toBe(1);
    expect(await there(second)).toBe(false);
    await stop();
  });

  it('reports why a sweep failed, and still sweeps the next day', async () => {
    const old = await put('old', 9);
    const inUse = vi.fn(async () => new Set<string>()).mockRejectedValueOnce(new Error('no database'));
    const { stop, next } = sweeping(inUse);
    expect(await next()).toBe('Error: no database');
    await vi.advanceTimersByTimeAsync(DAY);
    expect(await next()).toBe(1);
    expect(await there(old)).toBe(false);
    await stop();
  });

  it('stops after the current sweep', async () => {
    const old = await put('old as well', 9);
    const { stop, told, looks } = await new Promise<ReturnType<typeof sweeping>>((resolve) => {
      // It is told to stop while it asks what is in use.
      const begun = sweeping(async () => {
        resolve(begun);
        return new Set();
      });
    });
    await stop();
    expect(told).toEqual([1]);
    expect(await there(old)).toBe(false);
    await vi.advanceTimersByTimeAsync(3 * DAY);
    expect(looks).toHaveBeenCalledTimes(1);
  });
});
