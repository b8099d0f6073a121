/** An adapter works with the small model that it was trained on and with no other; large models share adapters. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddedModel } from '../../core/package.ts';
import { checkStatedBase } from '../../gpu-worker/adapters/files/stated-facts.ts';
import { openSafetensors, readTensor, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
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
  const painter = await TextToImage.open(embeddedModel);
  try {
    expect((await painter.readAdapter(path)).layers.size).toBeGreaterThan(0);

    const earlier = await withMetadata(path, { 'krona.base_hash': 'a'.repeat(64) });
    await expect(painter.readAdapter(earlier)).rejects.toMatchObject({
      code: 'ADAPTER_OTHER_BASE',
      message: expect.stringMatching(/an earlier version of krona-emoji.*Train the subject again/) as string,
    });
    const named = { 'krona.base_hash': 'b'.repeat(64), 'krona.base_model': 'my-model' };
    await expect(painter.readAdapter(await withMetadata(path, named))).rejects.toThrow(
      /was trained on my-model and can't work/,
    );

    // Files of other programs say nothing, and large models have many descendants that share adapters.
    const silent = await withMetadata(path, { 'krona.base_hash': null });
    expect((await painter.readAdapter(silent)).layers.size).toBeGreaterThan(0);
    const { model } = painter;
    const large = {
      ...model,
      unet: { ...model.unet, config: { ...model.unet.config, sample_size: 128 } },
    };
    await checkStatedBase('mochi', new Map(Object.entries(named)), large);
  } finally {
    await painter.release();
  }
});
