/** Models open from a hub cache as Python tools fill it: every file a link to a blob. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { tinyFolder, type TinyName } from '../helpers/sd-fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cache-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A cache folder with one snapshot of a tiny model, its commit in refs/main. */
async function cacheOf(name: TinyName): Promise<string> {
  const repository = join(await mkdtemp(join(folder, 'hub-')), `models--stabilityai--tiny-${name}`);
  const root = tinyFolder(name);
  const snapshot = join(repository, 'snapshots', 'abc123');
  await mkdir(join(repository, 'blobs'), { recursive: true });
  await mkdir(join(repository, 'refs'), { recursive: true });
  await writeFile(join(repository, 'refs/main'), 'abc123');
  let blobs = 0;
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const blob = join(repository, 'blobs', String(blobs++));
    await writeFile(blob, await readFile(from));
    const link = join(snapshot, from.slice(root.length + 1));
    await mkdir(dirname(link), { recursive: true });
    await symlink(relative(dirname(link), blob), link);
  }
  return repository;
}

describe('a hub cache', () => {
  it.each(['sd15', 'sd21', 'sdxl', 'refiner'] as const)(
    'opens %s by its snapshot and by its repository',
    async (name) => {
      const repository = await cacheOf(name);
      for (const path of [repository, join(repository, 'snapshots/abc123')]) {
        const model = await openModel(path);
        // Adapters are told which base they were made for: by a name that people know.
        expect(model.name).toBe(`tiny-${name}`);
        expect([...model.unet.tensors.values()][0]!.path).toMatch(/blobs.\d+$/);
        expect((await inspectModel(path)).problems).toEqual([]);
      }
    },
  );

  it('with several snapshots and no main is refused', async () => {
    const repository = await cacheOf('sdxl');
    await rm(join(repository, 'refs'), { recursive: true });
    await mkdir(join(repository, 'snapshots/def456'));
    await expect(openModel(repository)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });
});
