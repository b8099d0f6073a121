/** An adapter works with the small model that it was trained on and with no other; large models share adapters. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddedModel } from '../../core/package.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { openSafetensors, readTensor, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'krona-other-base-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function withMetadata(path: string, change: Readonly<Record<string, string | null>>): Promise<string> {
  const { tensors, metadata } = await openSafetensors(path);
  const read = await Promise.all(
    [...tensors].map(async ([name, tensor]) => {
      const { dtype, shape } = tensor;
      return [
        name,
        { dtype: dtype as 'F32', shape, data: (await readTensor(tensor)) as Float32Array },
      ] as const;
    }),
  );
  const facts = new Map(metadata);
  for (const [key, value] of Object.entries(change)) {
    if (value === null) facts.delete(key);
    else facts.set(key, value);
  }
  const out = join(
    folder,
    `changed-${Object.keys(change).length}-${Object.values(change).join('-').slice(0, 8)}.safetensors`,
  );
  await writeSafetensors(out, new Map(read), facts);
  return out;
}

it('is refused where a small model has other weights, and says what to do', async () => {
  const photos = await makePhotos(join(folder, 'photos'), 2);
  const path = join(folder, 'mochi.safetensors');
  await trainAdapter({ ...tinyRun(photos, path), model: embeddedModel, resolution: 128, a1: 2, a2: 8 });
  const base = adapterBase(await openModel(embeddedModel));
  expect((await readAdapter(path, base)).layers.size).toBeGreaterThan(0);

  const earlier = await withMetadata(path, { 'krona.base_hash': 'a'.repeat(64) });
  await expect(readAdapter(earlier, base)).rejects.toMatchObject({
    code: 'ADAPTER_OTHER_BASE',
    message: expect.stringMatching(/an earlier version of krona-emoji.*Train the subject again/) as string,
  });
  const other = await withMetadata(path, {
    'krona.base_hash': 'b'.repeat(64),
    'krona.base_model': 'my-model',
  });
  await expect(readAdapter(other, base)).rejects.toThrow(/was trained on my-model and can't work/);

  // Files of other programs say nothing, and large models have many descendants that share adapters.
  const silent = await withMetadata(path, { 'krona.base_hash': null });
  expect((await readAdapter(silent, base)).layers.size).toBeGreaterThan(0);
  const { fingerprint, ...large } = base;
  expect(fingerprint).toBeDefined();
  expect((await readAdapter(earlier, large)).layers.size).toBeGreaterThan(0);
});
