/** @file Blobs in a folder. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { runBlobStoreTests } from './conformance/blob-store.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('blobs in a folder', () => {
  runBlobStoreTests(() => openBlobFolder(join(folder, 'blobs')));

  it('that were cut off are whole again when they are stored again', async () => {
    const blobs = await openBlobFolder(join(folder, 'blobs'));
    const bytes = randomBytes(1000);
    const { hash } = await blobs.put(bytes);
    await truncate((await blobs.localPath(hash))!, 10);
    await blobs.put(bytes);
    expect(Buffer.from(await blobs.get(hash))).toEqual(bytes);
  });

  it('leave no drafts, not even after a crash', async () => {
    const drafts = join(folder, 'blobs/drafts');
    expect(await readdir(drafts)).toEqual([]);
    await writeFile(join(drafts, 'new'), 'half a pho');
    await writeFile(join(drafts, 'old'), 'half a pho');
    const lastWeek = new Date(Date.now() - 7 * 24 * 3600_000);
    await utimes(join(drafts, 'old'), lastWeek, lastWeek);
    await openBlobFolder(join(folder, 'blobs'));
    // The new one may be somebody's who is writing it now.
    expect(await readdir(drafts)).toEqual(['new']);
  });
});

const STATE = {
  step: 1,
  ...{ parameters: Float32Array.of(1), m: Float32Array.of(1), v: Float32Array.of(1), average: null },
};

describe('a full or read-only disk', () => {
  const disk = (): string => join(folder, 'disk');
  let mounted = false;
  beforeAll(async () => {
    await mkdir(disk());
    mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk()]).status === 0;
  });
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk()]);
  });

  it('is reported, without losses or leftovers', async (test) => {
    test.skip(!mounted, 'this machine does not let us mount a small disk');
    const blobs = await openBlobFolder(disk());
    const kept = await blobs.put(randomBytes(100_000));
    const big = randomBytes(500_000);
    await expect(blobs.put(big)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(await readdir(join(disk(), 'drafts'))).toEqual([]);
    expect(await blobs.stat(kept.hash)).toEqual(kept);
    await expect(blobs.put(randomBytes(100_000))).resolves.toBeDefined();
    // As a system does after a fault of the disk.
    spawnSync('mount', ['-o', 'remount,ro', disk()]);
    await expect(blobs.put(randomBytes(1000))).rejects.toMatchObject({
      code: 'DISK_READ_ONLY',
      retryable: true,
    });
    await expect(saveOptimizer(join(disk(), 'state.safetensors'), STATE)).rejects.toMatchObject({
      code: 'DISK_READ_ONLY',
    });
  });
});
